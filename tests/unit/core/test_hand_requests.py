"""What people ask for by hand: how their words are read, and what is made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.conftest import minute
from watcher.core.by_hand import Acknowledgement, HandMute
from watcher.core.events import Event
from watcher.core.hand_requests import (
    LONGEST_GLOB,
    LONGEST_NAME,
    LONGEST_TEXT,
    MAX_GLOBS,
    incident_ids,
    new_acknowledgements,
    new_mute,
    read_events,
    read_length,
    read_name,
    read_targets,
    read_text,
)
from watcher.core.state import Incident, Record

INCIDENT = Incident("7", minute(1), ("failed",))


@pytest.mark.parametrize(
    ("read", "given", "meant"),
    [
        (read_text, "  plan „b“ ", "plan „b“"),
        (read_text, "x" * LONGEST_TEXT, "x" * LONGEST_TEXT),
        (read_name, " Ada ", "Ada"),
        (read_name, "x" * LONGEST_NAME, "x" * LONGEST_NAME),
        (read_targets, [], ()),
        (read_targets, ["prod/* ", "a"], ("prod/*", "a")),
        (read_targets, ["[!a-c]/[]]"], ("[!a-c]/[]]",)),
        (read_targets, ["x" * LONGEST_GLOB] * MAX_GLOBS, ("x" * LONGEST_GLOB,) * MAX_GLOBS),
        (read_events, [" sync.failed "], ("watcher.sync.failed",)),
        (read_events, ["watcher.sync.*", "*.unreadable"], ("watcher.sync.*", "*.unreadable")),
        (read_events, ["?atcher.sync.*", "[w]atcher.sync.*"], ("?atcher.sync.*", "[w]atcher.sync.*")),
        (read_events, ["*" * LONGEST_GLOB] * MAX_GLOBS, ("*" * LONGEST_GLOB,) * MAX_GLOBS),
        (read_length, "1h30m", 5400),
        (read_length, "366d", 366 * 86_400),
    ],
)
def test_what_people_write_is_read(read: Callable[[Any], object], given: object, meant: object) -> None:
    assert read(given) == meant


OPEN = "an opening [ that no ] closes, so it matches no id"
LINE = "this must be a single line without control characters"


@pytest.mark.parametrize(
    ("read", "given", "message"),
    [
        (read_text, "", "this must not be empty"),
        (read_text, " ", "this must not be empty"),
        *((read_text, text, LINE) for text in ("a\nb", "\u202e", "\ud800")),
        (read_text, "x" * 501, "this must have at most 500 characters"),
        (read_name, "x" * 129, "this must have at most 128 characters"),
        (read_targets, ["a", "x" * 1001], "this must have at most 1000 characters"),
        (read_targets, ["a"] * 21, "there may be at most 20 globs"),
        *((read_targets, ["a", glob], f"'{glob}' has {OPEN}") for glob in ("[", "prod/[ab/*", "[a]/[b", "[]")),
        (read_events, ["x" * 1001], "this must have at most 1000 characters"),
        (read_events, ["*"] * 21, "there may be at most 20 globs"),
        (
            read_events,
            ["sync.*", "sync.fialed"],
            "'sync.fialed' matches no event type (examples: sync.failed, 'sync.*', target.unreadable)",
        ),
        (read_length, "367d", "'367d' is too long; the longest is 366d"),
    ],
)
def test_what_cannot_be_used_is_refused(read: Callable[[Any], object], given: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(given)


def test_a_new_mute_begins_now_and_has_an_id_of_its_own() -> None:
    first, second = (new_mute(["*"], ["watcher.sync.*"], 60, "r", "ada", minute(1)) for _ in range(2))
    assert replace(first, id="1a") == HandMute("1a", ("*",), ("watcher.sync.*",), minute(1), minute(2), "r", "ada")
    assert re.fullmatch("[0-9a-f]{8}", first.id)
    assert first.id != second.id


def test_the_incidents_of_events_are_found_by_their_ids() -> None:
    found = ({"incident": {"id": "7"}}, {"incident": {"id": "8"}}, {"incident": None}, {})
    assert incident_ids(Event("1", "t", "s", "", json.dumps({"data": data})) for data in found) == {"7", "8"}


def test_incidents_are_acknowledged_by_id_or_by_a_glob_of_subjects() -> None:
    records = {"p/b": Record(incident=replace(INCIDENT, id="8")), "p/a": Record(incident=INCIDENT), "p/c": Record()}

    def acknowledged(ids: set[str], glob: str | None) -> list[Acknowledgement]:
        return new_acknowledgements(records, ids, glob, "ada", "soon", minute(5))

    first = Acknowledgement("7", "p/a", minute(1), minute(5), "ada", "soon")
    second = replace(first, incident="8", subject="p/b")
    assert acknowledged({"7"}, None) == acknowledged({"7"}, "7") == [first]
    assert acknowledged(set(), "p/*") == [first, second]
    assert acknowledged({"x"}, "b") == []
