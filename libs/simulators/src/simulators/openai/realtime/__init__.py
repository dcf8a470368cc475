"""The OpenAI Realtime API (GA) over WebSocket, as `reference/openai-realtime.md` describes it."""
