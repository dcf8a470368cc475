"""A strict stand-in for OpenAI's APIs, run as a process of its own."""
