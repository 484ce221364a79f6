"""What a person reads of each type of event: `snapshots/TYPE.txt` (mail), `.json` (Slack), `.card.json` (Teams).

Rewrite them with WRITE_SNAPSHOTS=1 in the environment, and read the difference as a person on call would at night.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.adaptive_cards import CARD
from tests.support.event_samples import EVENTS, bodies, message_of
from watcher.core.event_types import ALL_EVENT_TYPES
from watcher.messages.alert import links_of
from watcher.messages.blocks import slack_payload
from watcher.messages.card import card
from watcher.messages.plain import plain, subject

SNAPSHOTS = Path(__file__).parent / "snapshots"


def is_as_kept(file: Path, text: str) -> bool:
    if os.environ.get("WRITE_SNAPSHOTS"):
        file.write_text(text, encoding="utf-8")
    return file.read_text(encoding="utf-8") == text


def test_there_is_a_snapshot_of_every_type_of_event() -> None:
    assert {event.type for events in EVENTS.values() for event in events} == set(ALL_EVENT_TYPES)
    assert {file.stem.removesuffix(".card") for file in SNAPSHOTS.iterdir()} == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_a_mail_equals_its_snapshot(name: str) -> None:
    events = bodies(*EVENTS[name])
    text = plain(message_of(events))
    assert is_as_kept(SNAPSHOTS / f"{name}.txt", f"Subject: {text.title}\nSNS: {subject(events[0])}\n\n{text.body}")


@pytest.mark.parametrize("name", EVENTS)
def test_a_slack_message_equals_its_snapshot(name: str) -> None:
    payload = slack_payload(message_of(bodies(*EVENTS[name])))
    assert is_as_kept(SNAPSHOTS / f"{name}.json", json.dumps(payload, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", EVENTS)
def test_a_card_equals_its_snapshot(name: str) -> None:
    events = bodies(*EVENTS[name])
    message = message_of(events)
    made = card(message, links_of(events[0] if len(events) == 1 else {}, message.facts))
    assert [error.message for error in CARD.iter_errors(made)] == []
    assert is_as_kept(SNAPSHOTS / f"{name}.card.json", json.dumps(made, indent=1, ensure_ascii=False) + "\n")
