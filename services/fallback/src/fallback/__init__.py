"""The fallback service: says for the fleet which providers may be given callers, and talks to callers no other can."""
