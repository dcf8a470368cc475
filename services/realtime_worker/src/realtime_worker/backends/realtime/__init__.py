"""The OpenAI Realtime API (GA shapes) behind the speech-session port."""
