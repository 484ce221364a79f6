"""A message as plain text: for mail and chats (by apprise), and as the subject line of mail (by SNS). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.messages.compose import title
from watcher.messages.sanitize import ascii_line, for_text, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.messages.message import Fact, Message

SUBJECT = 99
"""Characters of a subject line: SNS's `Publish` takes fewer than 100."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is mailed: the title is one line."""

    title: str
    body: str


def subject(event: Mapping[str, Any]) -> str:
    """A CloudEvent's subject line as SNS demands it: one line of at most 99 ASCII characters, never empty."""
    # It begins with a capital letter, as every headword does unless AWS's unknown status says otherwise.
    line = ascii_line(title(event), SUBJECT)
    return line if line[:1].isalnum() else ascii_line(f"Watcher {line}", SUBJECT)


def plain_title(text: str) -> str:
    """`text` as the title of what is mailed."""
    return for_text(one_line(text, 150))


def plain(message: Message) -> Text:
    """`message` as text: the cause, the lead, AWS's own lines, the facts."""
    parts = [
        "\n".join(for_text(line) for line in (message.cause, message.lead) if line),
        "\n".join([f"{message.heading}:", *(f"  {for_text(line)}" for line in message.lines)]) if message.lines else "",
        "\n".join(_fact(fact, message.facts) for fact in message.facts),
        for_text(message.note),
    ]
    return Text(plain_title(message.title), "\n\n".join(part for part in parts if part) + "\n")


def _fact(fact: Fact, facts: Sequence[Fact]) -> str:
    shown = f"{fact.name}: {for_text(fact.text)}"
    # A commit's address is its repository's as well.
    within = any(other.url.startswith(f"{fact.url}/") for other in facts if other.url)
    # An address is made of what needs no escape, and would not lead there with one.
    return shown if fact.url is None or within else f"{shown}\n  {fact.url}"
