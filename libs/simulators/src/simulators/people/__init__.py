"""The people on both ends of a simulated call: recorded callers and synthesised agents."""
