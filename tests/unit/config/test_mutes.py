"""What a right mute means."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from watcher.config import window_model
from watcher.core.mutes import Mute
from watcher.core.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config
    from watcher.errors import Fault

EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "mute"),
    [
        ('{targets: "*"}', Mute(("*",))),
        ('{targets: prod/*, events: ["*.failed", watcher.test]}', Mute(("prod/*",), ("*.failed", "watcher.test"))),
        ("{events: watcher.sync.*, reason: planned}", Mute(events=("watcher.sync.*",), reason="planned")),
        ("{targets: [a, b], from: 2026-11-23T08:00:00Z}", Mute(("a", "b"), start=EIGHT)),
        ('{targets: a, until: "2026-11-23T08:00:00.000Z"}', Mute(("a",), until=EIGHT)),
        ("{targets: a, when: {days: sun}}", Mute(("a",), when=Window(("sun",)))),
        (
            "{targets: a, when: {days: [sun, mon, sun], from: 22:00, to: '06:00', zone: Europe/Berlin}}",
            Mute(("a",), when=Window(("mon", "sun"), time(22), time(6), ZoneInfo("Europe/Berlin"))),
        ),
        ("{targets: a, when: {to: 08:30, zone: UTC}}", Mute(("a",), when=Window(end=time(8, 30)))),
        (
            "{targets: a, from: 2026-11-23T09:00:00+01:00, until: 2026-11-23T08:00:01Z}",
            Mute(("a",), start=EIGHT, until=EIGHT + timedelta(seconds=1)),
        ),
    ],
)
def test_what_is_muted_and_for_how_long(written: str, mute: Mute, read: Callable[..., Config]) -> None:
    assert read(f"mute: [{written}]\nstacks: [{{name: s}}]").mutes == (mute,)


def test_without_a_database_of_time_zones_a_zone_is_a_fault_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, faults: Callable[..., list[Fault]]
) -> None:
    def missing(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(window_model, "ZoneInfo", missing)
    monkeypatch.setattr(window_model, "available_timezones", set)
    written = "stacks: [{name: s, region: us-east-1}]\nmute: [{targets: a, when: {zone: %s}}]"
    (fault,) = faults(written % "Europe/Berlin")
    assert str(fault).endswith(
        "this machine has no database of time zones; install the package tzdata (Debian's or Python's)"
    )
    assert not faults(written % "UTC")


def test_without_mutes_nothing_is_muted(read: Callable[..., Config]) -> None:
    assert read("stacks: [{name: s}]").mutes == ()
