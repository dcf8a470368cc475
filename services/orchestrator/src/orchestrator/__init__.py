"""The orchestrator: follows each conversation, steers its agents, runs their tools, keeps the records."""
