"""The kinds of targets: one file and one line of `KINDS` for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from watcher.core.kinds import Kind

KINDS: dict[str, Kind] = {
    "template": TEMPLATE,
    "stack": STACK,
}
"""The kinds by name."""
