"""The words of the page cover everything that the daemon reports."""

from __future__ import annotations

import re
from importlib import resources

from watcher.core.event_types import ALL_EVENT_TYPES
from watcher.core.status import Status

WORDS = resources.files("watcher.web").joinpath("static/words.js").read_text(encoding="utf-8")


def names(table: str) -> list[str]:
    """The names of a table of the script, in its order."""
    found = re.search(rf"(?s)const {table} = \{{(.*?)\n\}};", WORDS)
    assert found
    return re.findall(r'(?m)^  "?([a-z_.]+)"?:', found[1])


def test_every_status_of_a_target_has_a_word_in_the_order_of_the_rows() -> None:
    assert names("STANDINGS") == [*Status]


def test_every_type_of_event_has_a_word() -> None:
    assert sorted(names("EVENTS")) == sorted(each.removeprefix("watcher.") for each in ALL_EVENT_TYPES)
