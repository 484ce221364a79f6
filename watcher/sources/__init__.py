"""The kinds of targets: one file and one line of `KINDS` for each."""

from watcher.core.kinds import Kind
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

KINDS: dict[str, Kind] = {
    "template": TEMPLATE,
    "stack": STACK,
}
"""The kinds by name."""
