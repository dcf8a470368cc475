"""Tools: where they come from, who may run them, and that each request runs at most once."""
