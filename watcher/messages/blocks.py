"""A message as Slack's Block Kit, made of elements that Slack does not parse. Pure."""

from collections.abc import Sequence
from typing import Any

from watcher.messages.message import Fact, Message, Tone
from watcher.messages.sanitize import for_slack

MAX_BLOCKS, MAX_HEADER, MAX_SECTION = 50, 150, 3000
"""Blocks of a message, characters of a header and of a section: https://docs.slack.dev/reference/block-kit/blocks."""

MARKS = {Tone.FAILURE: "🔴", Tone.WARNING: "🟠", Tone.SUCCESS: "🟢", Tone.INFO: "🔵"}
"""People see a colour before they read a word."""

_UNPARSED = {"mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}


def slack_payload(message: Message, template: str | None = None) -> dict[str, Any]:
    """Return the JSON to post; `template` is mrkdwn to show in place of the message's own text, escaped as needed."""
    shown = _blocks(message) if template is None else _sections(template)
    # Shown in notifications, and by clients that do not show blocks.
    fallback = f"{MARKS[message.tone]} {message.title}" + (f"\n{message.brief}" if message.brief else "")
    return {"text": for_slack(fallback), "blocks": shown[:MAX_BLOCKS], **_UNPARSED}


def _blocks(message: Message) -> list[dict[str, Any]]:
    title = _plain(f"{MARKS[message.tone]} {message.title}", MAX_HEADER)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": title}]
    if opening := "\n".join(filter(None, (message.cause, message.lead))):
        blocks.append(_rich(_section([_text(opening)])))
    if message.lines:
        lines = _text(_whole_lines(message.lines, MAX_SECTION))
        heading = _section([_text(message.heading, bold=True)])
        blocks.append(_rich(heading, {"type": "rich_text_preformatted", "elements": [lines]}))
    if message.facts:
        blocks.append(_rich(_section([part for fact in message.facts for part in _fact(fact)][:-1])))
    if message.links:
        blocks.append(_rich(_section([part for link in message.links for part in _link(link)][:-1])))
    if message.note:
        blocks.append({"type": "context", "elements": [_plain(message.note, MAX_SECTION)]})
    return blocks


def _sections(mrkdwn: str) -> list[dict[str, Any]]:
    """Return a template's text in as many sections as it needs, divided between lines where that is possible."""
    sections: list[str] = []
    for line in mrkdwn.splitlines(keepends=True):
        if not sections or len(sections[-1]) + len(line) > MAX_SECTION:
            sections.append("")
        room = MAX_SECTION - len(sections[-1])
        sections[-1] += line if len(line) <= room else line[: room - 2] + "…\n"
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
        for text in sections
        if text.strip()
    ]


def _fact(fact: Fact) -> list[dict[str, Any]]:
    value = _text(fact.text) if fact.url is None else {"type": "link", "url": fact.url, "text": fact.text}
    return [_text(f"{fact.name}: ", bold=True), value, _text("\n")]


def _link(link: Fact) -> list[dict[str, Any]]:
    return [{"type": "link", "url": link.url, "text": link.name}, _text(" · ")]


def _rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": list(elements)}


def _section(elements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": elements}


def _text(text: str, *, bold: bool = False) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"style": {"bold": True}} if bold else {})}


def _plain(text: str, limit: int) -> dict[str, Any]:
    # Codes like :fire: stay codes; the coloured mark is a character of its own.
    return {"type": "plain_text", "text": _cut(text, limit), "emoji": False}


def _whole_lines(lines: Sequence[str], limit: int) -> str:
    """Return the lines as one text; if it is too long, its first lines: nobody should paste a part of a command."""
    text = "\n".join(lines)
    end = text.rfind("\n", 0, limit - 1)
    return _cut(text, limit) if len(text) <= limit or end < 0 else f"{text[:end]}\n…"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
