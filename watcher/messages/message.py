"""A message as a value: what is said, before it is known where. Every text in it is one clean line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """How it is meant, in apprise's own words."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to know; `url` is where to look, on a host that is known."""

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
    """A sentence or two: how long, how often."""
    cause: str = ""
    """Why, in AWS's words; the body begins with it, since a phone shows little more. Empty if nothing is wrong."""
    brief: str = ""
    """What there is room for beside the title in a notification: why, or what it happened to."""
    facts: tuple[Fact, ...] = ()
    heading: str = ""
    """Of `lines`."""
    lines: tuple[str, ...] = ()
    """What AWS said of it, or the targets that it happened to."""
    note: str = ""
    """What is needed to look further."""
