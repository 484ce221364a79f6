"""A message as plain text: for mail and chats (by apprise), and as the subject line of mail (by SNS). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watcher.messages.compose import title
from watcher.messages.message import Fact, Message
from watcher.messages.sanitize import ascii_line, for_text, one_line

MAX_SUBJECT = 99
"""Characters of a subject line: SNS's `Publish` takes fewer than 100."""


@dataclass(frozen=True, slots=True)
class Text:
    """A message as it is mailed; the title is one line."""

    title: str
    body: str


def subject(event: Mapping[str, Any]) -> str:
    """Return an event's subject line as SNS demands it: one line of at most 99 ASCII characters, never empty."""
    line = ascii_line(title(event), MAX_SUBJECT)
    # SNS demands that it begins with a letter or number; an unknown status from AWS may not.
    return line if line[:1].isalnum() else ascii_line(f"Watcher {line}", MAX_SUBJECT)


def plain(message: Message) -> Text:
    """Return `message` as text: the cause, the lead, AWS's own lines, the facts, links."""
    parts = [
        "\n".join(for_text(line) for line in (message.cause, message.lead) if line),
        "\n".join([f"{message.heading}:", *(f"  {for_text(line)}" for line in message.lines)]) if message.lines else "",
        "\n".join(_fact(fact, message.facts) for fact in message.facts),
        "\n".join(f"{link.name}: {link.url}" for link in message.links),
        for_text(message.note),
    ]
    return Text(for_text(one_line(message.title, 150)), "\n\n".join(part for part in parts if part) + "\n")


def _fact(fact: Fact, facts: Sequence[Fact]) -> str:
    shown = for_text(f"{fact.name}: {fact.text}")  # the name may be AWS's, too: that of a blocker's context
    # A link to a commit also leads to its repository.
    redundant = any(other.url.startswith(f"{fact.url}/") for other in facts if other.url)
    # A URL consists of characters that need no escape; an escaped one would lead elsewhere.
    return shown if fact.url is None or redundant else f"{shown}\n  {fact.url}"
