"""The phone sides: each leg turns one carrier into the same few calls."""
