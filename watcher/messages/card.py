"""A message as an Adaptive Card, for Microsoft Teams. Pure.

https://adaptivecards.io/explorer has the elements. Those with markup (Markdown) get text that has none; AWS's own lines
are runs of text, in which nothing is markup.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from watcher.messages.message import Fact, Message, Tone
from watcher.messages.sanitize import for_text

MAX_BYTES = 28_000
"""Bytes of a message: https://learn.microsoft.com/microsoftteams/limits-specifications-teams (28 KB)."""

MAX_ACTIONS = 6
"""Buttons that Teams shows."""

_COLOURS = {Tone.FAILURE: "attention", Tone.WARNING: "warning", Tone.SUCCESS: "good", Tone.INFO: "accent"}

Element = dict[str, Any]


def teams_body(message: Message, links: Mapping[str, str]) -> bytes:
    """Return what is posted: a message with one card, with a button for each of `links` (URLs by title).

    If it is too large, the last of the message's lines are left out.
    """
    content = card(message, links)
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    posted = {"type": "message", "attachments": [attachment]}
    body = json.dumps(posted, ensure_ascii=False).encode(errors="replace")
    if len(body) <= MAX_BYTES or not message.lines:
        return body
    shorter = [line for line in message.lines if line != "…"][:-1]
    return teams_body(replace(message, lines=(*shorter, "…") if shorter else ()), links)


def card(message: Message, links: Mapping[str, str]) -> Element:
    """Return the card (version 1.5 of the schema)."""
    elements = [
        _text(message.title, size="medium", weight="bolder", color=_COLOURS[message.tone]),
        *(_text(part) for part in (message.cause, message.lead) if part),
    ]
    if message.lines:
        heading = _text(message.heading, weight="bolder")
        lines = [_literal(line) for line in message.lines]
        elements.append({"type": "Container", "style": "emphasis", "items": [heading, *lines]})
    if message.facts:
        elements.append({"type": "FactSet", "facts": [_fact(fact) for fact in message.facts]})
    if message.note:
        elements.append(_text(message.note, size="small", isSubtle=True))
    buttons = [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in links.items()]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": for_text(message.title),
        "body": elements,
        **({"actions": buttons[:MAX_ACTIONS]} if buttons else {}),
    }


def _text(text: str, **looks: Any) -> Element:
    return {"type": "TextBlock", "text": for_text(text), "wrap": True, **looks}


def _literal(line: str) -> Element:
    runs = [{"type": "TextRun", "text": line, "fontType": "monospace", "size": "small"}]
    return {"type": "RichTextBlock", "inlines": runs, "spacing": "none"}


def _fact(fact: Fact) -> Element:
    text = for_text(fact.text)
    return {"title": for_text(fact.name), "value": text if fact.url is None else f"[{text}]({fact.url})"}
