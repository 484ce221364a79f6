"""watcher: tells you when AWS could not pull your templates and stacks out of Git."""

__version__ = "0.1.0"
