"""One simulated call, followed as it happens and judged afterwards."""
