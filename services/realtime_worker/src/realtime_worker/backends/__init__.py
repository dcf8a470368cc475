"""Speech sessions behind one port: a pure codec for each provider's protocol."""
