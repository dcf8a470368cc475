"""The pure parts of the edge: fed events and the time, asked what to do."""
