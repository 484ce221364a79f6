"""The domain as pure values and functions; imports `util` and the standard library only."""
