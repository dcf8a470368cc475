"""NATS as Trunkline uses it: one connection, audio batches, requests, facts, registry."""
