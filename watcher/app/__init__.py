"""The daemon: built from its settings, started, reconfigured, drained and closed; knows all wings below."""
