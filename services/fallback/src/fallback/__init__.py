"""The fallback service: watches the providers for the whole fleet and says which of them may be given callers."""
