"""The realtime worker: holds the speech sessions with OpenAI."""
