"""What a right mute means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from watcher.core.settings import Mute

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config

EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "mute"),
    [
        ('{targets: "*"}', Mute(("*",))),
        ('{targets: prod/*, events: ["*.failed", watcher.test]}', Mute(("prod/*",), ("*.failed", "watcher.test"))),
        ("{events: watcher.sync.*, reason: planned}", Mute(events=("watcher.sync.*",), reason="planned")),
        ("{targets: [a, b], from: 2026-11-23T08:00:00Z}", Mute(("a", "b"), start=EIGHT)),
        ('{targets: a, until: "2026-11-23T08:00:00.000Z"}', Mute(("a",), until=EIGHT)),
        (
            "{targets: a, from: 2026-11-23T09:00:00+01:00, until: 2026-11-23T08:00:01Z}",
            Mute(("a",), start=EIGHT, until=EIGHT + timedelta(seconds=1)),
        ),
    ],
)
def test_what_is_muted_and_for_how_long(written: str, mute: Mute, read: Callable[..., Config]) -> None:
    assert read(f"mute: [{written}]\nstacks: [{{name: s}}]").mutes == (mute,)


def test_without_mutes_nothing_is_muted(read: Callable[..., Config]) -> None:
    assert read("stacks: [{name: s}]").mutes == ()
