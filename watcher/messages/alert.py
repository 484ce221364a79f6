"""What a service for alerts shows of an event: a title, the facts, links. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from watcher.messages.compose import message_for
from watcher.messages.message import Fact, Tone
from watcher.messages.plain import plain
from watcher.messages.sanitize import for_text, one_line

MAX_URL = 2048
"""Characters of a link."""

_LINKS = {
    "page": "watcher",
    "console": "AWS console",
    "commit": "Commit",
    "deployment_file": "Deployment file",
    "repository": "Repository",
}
"""The keys of `data.links`, and what a link is called; the most useful first."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An event as an alert shows it; every text is for people, without control characters."""

    title: str
    """One line: `FAILED: stack network (default, us-east-1)`."""
    headline: str
    """The title; for a problem also why, in AWS's words, or what happened: all that a phone shows."""
    text: str
    """Everything, as lines of text."""
    details: Mapping[str, str]
    """The same in parts, by name: the error, what happened, AWS's events, the facts."""
    links: Mapping[str, str]
    """URLs by name, the most useful first."""

    @property
    def home(self) -> str | None:
        """The URL where people look further: watcher's page, else AWS's console; None: neither is known."""
        return self.links.get(_LINKS["page"]) or self.links.get(_LINKS["console"])


def alert_for(event: Mapping[str, Any], now: datetime) -> Alert:
    """Return what is shown of an event, a CloudEvent; see `message_for`, also on `now`."""
    message = message_for([event], now)
    parts = {"Error": message.cause, "Summary": message.lead}
    if message.lines:
        parts[message.heading] = "\n".join(message.lines)
    parts |= {fact.name: fact.text for fact in message.facts} | {"Event": message.note}
    written = plain(replace(message, links=()))  # they are in `links`
    is_problem = message.tone in (Tone.FAILURE, Tone.WARNING)
    return Alert(
        title=written.title,
        headline=for_text(f"{written.title}: {message.brief}" if is_problem else written.title),
        text=written.body,
        details={name: for_text(text) for name, text in parts.items() if text},
        links=links_of(event, message.facts),
    )


def links_of(event: Mapping[str, Any], facts: Iterable[Fact]) -> dict[str, str]:
    """Return the links of `data.links` by their names, then those of facts that have another name and URL."""
    data = event.get("data")
    known = data.get("links") if isinstance(data, Mapping) else None
    found = [(name, known[key]) for key, name in _LINKS.items() if key in known] if isinstance(known, Mapping) else []
    links: dict[str, str] = {}
    for name, url in [*found, *((fact.name, fact.url) for fact in facts)]:
        usable = isinstance(url, str) and len(url) <= MAX_URL and urlsplit(url).scheme in ("http", "https")
        if usable and url not in links.values():
            links.setdefault(one_line(name, 80), url)
    return links
