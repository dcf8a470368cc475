"""The pure cores of a talker: fed with events, asked for commands."""
