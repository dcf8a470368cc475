"""The decisions of the fallback service, without any I/O."""
