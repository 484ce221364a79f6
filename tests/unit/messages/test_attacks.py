"""Text from AWS in messages mentions nobody, hides no link, has no markup, forges no line and no header."""

from __future__ import annotations

import json
import re
import unicodedata
from email.message import EmailMessage
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.event_samples import EVENTS, bodies, message_of
from watcher.messages import template
from watcher.messages.blocks import slack_payload
from watcher.messages.card import card
from watcher.messages.plain import plain, subject
from watcher.messages.sanitize import ascii_line, for_slack, for_text, one_line
from watcher.messages.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.messages.message import Message

ATTACKS = [
    "<!channel>", "<!here|here>", "<@U012AB3CD>", "<#C012AB3CD|general>", "@here", "@everyone look", "(@channel)",
    "<https://evil.example|the runbook>", "[the runbook](https://evil.example)", "![x](https://evil.example/x.png)",
    "[a]: https://evil.example", "<img src=x>", "*bold* and *bold*", "_sloped_", "~gone~ ~gone~", "`code`", "```",
    "||hidden||", "one\ntwo",
    "one\r\nBcc: evil@example.com", "one\vtwo\ftwo", "one\u2028two\u2029three\x85four",
    "\u202egnp.exe", "\u2066left\u2069", "zero\u200bwidth\ufeff\u2060", "\x1b[2J\x1b[31mred", "\x1b]8;;https://evil\x07x",
    "\x00\x08\x7f\x9b31m", "> quoted", "# heading", "&lt;!channel&gt;", "\ud800", "Z\u0310\u0311\u0312\u0313\u0314",
    "\U000e0041",
    "<<!channel>>", "@@here", "<\u200b!channel>", "@\u200bhere", "</pre></html>", "=?utf-8?q?Bcc:?=",
    "", "   ", "\u200b\u2060\ufeff", "\u202e\u2066", "\u3164\u2800", "\x00\t\n",
]  # fmt: skip
CALLS = re.compile(r"<[!@#]|<\w|</|(?<![\w.+-])@\w|`|\*\S|(?<!\w)_\w|(?<!\w)~\S|\|\S.*\|")
"""What a chat would act on."""

MARKDOWN_LINK = re.compile(r"\]\s*[(\[:]")
"""What most chats but Slack take for a link."""


@pytest.fixture(autouse=True, scope="module")
def _each_text_is_made_harmless_once() -> Iterator[None]:
    """The events of all attacks have most texts in common, and what becomes of a text depends on nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template, "one_line", cache(template.one_line))
        patch.setattr(template, "ESCAPES", {name: cache(escape) for name, escape in template.ESCAPES.items()})
        yield


@cache
def attacks(attack: str) -> list[tuple[list[dict[str, Any]], Message]]:
    """All events with the attack in them, and what people are told of each."""
    forged = [attacked(bodies(*events), attack) for events in EVENTS.values()]
    return [(events, message_of(events)) for events in forged]


def attacked(value: Any, attack: str) -> Any:
    """An event with the attack in each text that AWS could have written; what our own code writes is left alone."""
    ours = {"type", "time", "kind", "api", "startedAt", "since", "id", "source", "reminder", "status", "createdAt"}
    if isinstance(value, dict):
        form = {name: item if name in ours else attacked(item, attack) for name, item in value.items()}
        if "startedAt" in value and "events" in value:
            form["status"] = attack
            form["events"] = [{**said, "type": attack, "event": attack} for said in value["events"]]
        if value.get("contexts"):
            form["contexts"] = {attack: "42"}
        return form
    if isinstance(value, list):
        return [attacked(item, attack) for item in value]
    return attack if isinstance(value, str) else value


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def marked_up(value: Any) -> Iterator[str]:
    """The texts of a card in which Teams acts on markup."""
    if isinstance(value, dict):
        yield from (value[name] for name in ("fallbackText", "title", "value") if name in value)
        if value.get("type") == "TextBlock":
            yield value["text"]
        for item in value.values():
            yield from marked_up(item)
    elif isinstance(value, list):
        for item in value:
            yield from marked_up(item)


def elements(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever has a text of its own: Slack refuses a message with an empty one."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value
        for item in value.values():
            yield from elements(item)
    elif isinstance(value, list):
        for item in value:
            yield from elements(item)


def is_clean(text: str) -> bool:
    return all(
        letter == "\n" or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for letter in text
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_mail_and_chat_are_as_many_lines_as_without_the_attack_and_nothing_in_them_acts(attack: str) -> None:
    for (_, without), (_, message) in zip(attacks("x"), attacks(attack), strict=True):
        harmless, text = plain(without), plain(message)
        assert "\n" not in text.title
        # A text that is nothing but tricks leaves nothing behind, and its line may go with it.
        assert len(text.body.splitlines()) <= len(harmless.body.splitlines())
        for line in (text.title, *text.body.splitlines()):
            assert is_clean(line)
            assert not CALLS.search(line), line
            assert not MARKDOWN_LINK.search(line), line


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_slack_is_given_nothing_that_it_parses(attack: str) -> None:
    for _, message in attacks(attack):
        payload = slack_payload(message)
        assert (payload["mrkdwn"], payload["parse"], payload["link_names"]) == (False, "none", False)
        assert "<" not in payload["text"]
        assert not CALLS.search(payload["text"])
        written = json.dumps(payload["blocks"])
        assert '"mrkdwn"' not in written
        assert '"link"' not in written or "https://github.com/" in written
        assert all(map(is_clean, texts(payload)))
        assert all(element["text"] for element in elements(payload))
        json.dumps(payload, ensure_ascii=False).encode()


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_a_card_has_no_markup_in_it(attack: str) -> None:
    for _, message in attacks(attack):
        for text in marked_up(card(message, {})):
            assert text
            assert is_clean(text)
            assert not CALLS.search(text), text
            assert not MARKDOWN_LINK.search(text), text


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_a_subject_is_one_line_of_ascii_that_sns_takes(attack: str) -> None:
    for original, (events, _) in zip(EVENTS.values(), attacks(attack), strict=True):
        before = bodies(*original)[0]
        for line in (
            subject(before),
            subject(events[0]),
            subject(attacked(before, attack * 60)),
        ):
            assert line.isascii()
            assert line.isprintable()
            assert line[0].isalnum()
            assert len(line) < 100


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_a_title_brings_no_header_into_a_mail(attack: str) -> None:
    for _, message in attacks(attack):
        mail = EmailMessage()
        mail["Subject"] = plain(message).title
        assert mail.keys() == ["Subject"]
        assert b"\nBcc" not in mail.as_bytes()


@pytest.mark.parametrize("escape", ["slack", "text"])
@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_a_template_is_given_texts_that_are_harmless_where_it_is_shown(attack: str, escape: str) -> None:
    made = Template(
        "{{ event.subject }}\n{{ message.title }}\n{{ message.lead }}\n"
        "{% for name, value in event.data|dictsort if value is string %}{{ name }}: {{ value }}\n{% endfor %}"
        "{% for said in (event.data.get('attempt') or {}).get('events', []) %}{{ said.event }}\n{% endfor %}"
        "{% for fact in message.facts %}{{ fact.name }}: {{ fact.text }}\n{% endfor %}"
        "{% for line in message.lines %}{{ line }}\n{% endfor %}",
        escape=escape,
    )
    for events, message in attacks(attack):
        for line in made.render(events, message).splitlines():
            assert is_clean(line)
            assert not CALLS.search(line), line
            assert not (MARKDOWN_LINK.search(line) if escape == "text" else {"<", ">"} & set(line)), line


def test_a_link_leads_to_a_known_host_or_is_none() -> None:
    for attack in ATTACKS:
        for _, message in attacks(attack):
            assert all(fact.url is None for fact in message.facts)


@given(st.text(max_size=300), st.integers(10, 200))
def test_any_text_becomes_one_clean_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert is_clean(line)
    assert "\n" not in line
    assert len(line) <= limit
    assert one_line(line, limit) == line
    assert not CALLS.search(for_text(line))
    assert not CALLS.search(for_slack(line))
    assert ascii_line(text, limit).isascii()


@pytest.mark.parametrize(
    "text",
    [
        "web_service_2", "arn:aws:iam::111122223333:role/watcher", "s3:*", "me@example.com", "line 3 < line 4",
        "feature/x-1", "v2.0~rc1", "C:\\path", "50% (of 3)", "é漢🚨", "[CAPABILITY_NAMED_IAM]",
    ],
)  # fmt: skip
def test_harmless_text_is_shown_unchanged(text: str) -> None:
    assert for_text(one_line(text)) == text
    assert for_slack(one_line(text)) == text.replace("<", "&lt;")


def test_a_text_without_end_costs_no_more_than_its_beginning() -> None:
    assert len(one_line("\u200b" * 10_000_000 + "x", 100)) <= 100
    assert one_line("x" * 10_000_000, 100) == "x" * 99 + "…"
