"""Polls the sync status of targets and records what changed."""
