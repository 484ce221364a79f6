"""A message as a value, independent of where it is sent. Every text in it is one sanitized line."""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """How good or bad the news is; the values are apprise's."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Fact:
    """A named detail; `url` links to it, on a known host."""

    name: str
    text: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a person reads, the most important first."""

    tone: Tone
    title: str
    """`STATUS: what (where)`."""
    lead: str
    """A sentence or two: what happened, how long, how often."""
    cause: str = ""
    """Why, in AWS's words; empty if nothing is wrong. The body begins with it, since a phone shows little more."""
    brief: str = ""
    """The second line of a notification, below the title: the cause, or the targets."""
    facts: tuple[Fact, ...] = ()
    links: tuple[Fact, ...] = ()
    """Where people look further."""
    heading: str = ""
    """The heading of `lines`."""
    lines: tuple[str, ...] = ()
    """AWS's sync events, or the targets of a group."""
    note: str = ""
    """When the event was observed, and its ID."""
