"""What a person means by a subject: its id, or the name of the target. Pure."""

from __future__ import annotations

from urllib.parse import unquote

from watcher.model import Kind
from watcher.util.globs import matches

_NAME_AT: dict[str, int] = {Kind.STACK: 3, Kind.TEMPLATE: 4}
"""Which part of a target's id is its name."""


def is_meant(subject: str, pattern: str) -> bool:
    """Whether `pattern`, a glob, matches a subject's id or, where it has no slash, the name of the target."""
    return matches(subject, pattern) or ("/" not in pattern and matches(_name(subject), pattern))


def is_one_id(pattern: str) -> bool:
    """Whether `pattern` can mean no more than the one subject that has it as its id."""
    return "/" in pattern and not any(letter in pattern for letter in "*?[")


def _name(subject: str) -> str:
    """The name of a target as it is configured; of an endpoint or a test, its whole subject."""
    parts = subject.split("/")
    at = _NAME_AT.get(parts[2]) if len(parts) > 3 else None
    return subject if at is None else "/".join(map(unquote, parts[at : at + 1]))
