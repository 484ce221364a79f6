"""The domain as pure values and functions; imports `util`, `errors`, `cloudevents` and the standard library only."""
