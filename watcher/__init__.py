"""watcher: alerts you when AWS fails to sync your templates and stacks from Git."""

__version__ = "0.1.0"
