"""The endpoints of a turn-based pipeline: chat completions, transcription, speech."""
