"""The control messages of the bus: JSON of frozen models, versioned, unknown fields ignored."""
