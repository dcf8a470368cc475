"""What can go wrong with OpenAI, on demand."""
