"""What the worker decides, without touching a socket, a clock or the bus."""
