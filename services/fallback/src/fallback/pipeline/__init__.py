"""The stages of the turn-based pipeline, each at any endpoint that speaks OpenAI's API."""
