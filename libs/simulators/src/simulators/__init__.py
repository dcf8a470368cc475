"""Strict stand-ins for Twilio and OpenAI, reached over the network only."""
