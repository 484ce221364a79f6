"""Delivers recorded events from the outbox to the sinks."""
