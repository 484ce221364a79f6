"""A message as Slack shows it: Block Kit, made of elements that Slack does not parse. Pure.

Limits: https://docs.slack.dev/reference/block-kit/blocks (50 blocks, 150 characters of a header, 3000 of a section).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.messages.message import Tone
from watcher.messages.sanitize import for_slack

if TYPE_CHECKING:
    from watcher.messages.message import Fact, Message

BLOCKS, HEADER, SECTION = 50, 150, 3000

MARKS = {Tone.FAILURE: "🔴", Tone.WARNING: "🟠", Tone.SUCCESS: "🟢", Tone.INFO: "🔵"}
"""A colour is seen before a word is read."""

_UNPARSED = {"mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}


def slack_payload(message: Message, template: str | None = None) -> dict[str, Any]:
    """What is posted; `template` is mrkdwn to show in place of the message's own, escaped where that is needed."""
    shown = _blocks(message) if template is None else _sections(template)
    # The text is what a notification says, and what is shown where blocks are not.
    fallback = f"{MARKS[message.tone]} {message.title}" + (f"\n{message.brief}" if message.brief else "")
    return {"text": for_slack(fallback), "blocks": shown[:BLOCKS], **_UNPARSED}


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(_cut(f"{MARKS[message.tone]} {message.title}", HEADER))}
    ]
    if opening := "\n".join(filter(None, (message.cause, message.lead))):
        blocks.append(_rich(_section([_text(opening)])))
    if message.lines:
        lines = _text(_cut("\n".join(message.lines), SECTION))
        heading = _section([_text(message.heading, bold=True)])
        blocks.append(_rich(heading, {"type": "rich_text_preformatted", "elements": [lines]}))
    if message.facts:
        blocks.append(_rich(_section([part for fact in message.facts for part in _fact(fact)][:-1])))
    if message.note:
        blocks.append({"type": "context", "elements": [_plain(_cut(message.note, SECTION))]})
    return blocks


def _sections(mrkdwn: str) -> list[dict[str, Any]]:
    """A template's text, in as many sections as it needs, divided between lines where that is possible."""
    sections: list[str] = []
    for line in mrkdwn.splitlines(keepends=True):
        if not sections or len(sections[-1]) + len(line) > SECTION:
            sections.append("")
        room = SECTION - len(sections[-1])
        sections[-1] += line if len(line) <= room else line[: room - 2] + "…\n"
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
        for text in sections
        if text.strip()
    ]


def _fact(fact: Fact) -> list[dict[str, Any]]:
    value = _text(fact.text) if fact.url is None else {"type": "link", "url": fact.url, "text": fact.text}
    return [_text(f"{fact.name}: ", bold=True), value, _text("\n")]


def _rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": list(elements)}


def _section(elements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": elements}


def _text(text: str, *, bold: bool = False) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"style": {"bold": True}} if bold else {})}


def _plain(text: str) -> dict[str, Any]:
    # Codes like :fire: stay codes; the mark in front is a character of its own.
    return {"type": "plain_text", "text": text, "emoji": False}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
