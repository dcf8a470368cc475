"""The running processes and calls, as the bus tells of them."""
