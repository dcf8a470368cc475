"""The decisions of the orchestrator, without any I/O."""
