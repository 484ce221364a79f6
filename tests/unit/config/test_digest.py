"""What a right digest means."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from watcher.core.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config


@pytest.mark.parametrize(
    ("written", "digest"),
    [
        ("{every: mon 08:00, zone: Europe/Berlin, to: [stdout]}",
         Digest(("stdout",), time(8), ("mon",), ZoneInfo("Europe/Berlin"))),
        ("{every: 22:30, to: stdout}", Digest(("stdout",), time(22, 30))),
        ("{every: 'thu, mon,fri 08:00', to: [stdout, stdout]}", Digest(("stdout",), time(8), ("mon", "thu", "fri"))),
    ],
)  # fmt: skip
def test_when_a_digest_is_due_and_to_which_sinks_it_is_sent(
    written: str, digest: Digest, read: Callable[..., Config]
) -> None:
    config = read(f"digest: {written}\nstacks: [{{name: s}}]")
    assert config.digest == digest
    assert "digest" in config.subjects


def test_without_a_digest_none_is_due(read: Callable[..., Config]) -> None:
    config = read("stacks: [{name: s}]")
    assert config.digest is None
    assert "digest" not in config.subjects
