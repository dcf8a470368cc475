"""A strict stand-in for OpenAI's APIs, run as a process of its own.

`/v1/realtime` serves speech sessions; `/v1/chat/completions`, `/v1/audio/transcriptions` and `/v1/audio/speech` serve a
turn-based pipeline, on the same port, from the same script. `/_sim` tells what was asked and sets faults.
"""
