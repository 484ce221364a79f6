"""How the simulator calls a target: its id without account and region."""

from __future__ import annotations

from watcher.core.kinds import Kind
from watcher.core.model import Target


def key_of(kind: Kind, identity: tuple[tuple[str, str], ...]) -> str:
    """The key of a target, such as `stack/network`."""
    return Target(kind, "", "", identity).id.removeprefix("//")
