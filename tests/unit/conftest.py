"""How the unit tests say what AWS answered: attempts are numbered by the minute in which they started."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.core.model import ACTIVE, SUCCEEDED, Attempt, Blocker, Snapshot

EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def minute(number: float) -> datetime:
    """That many minutes after eight."""
    return EIGHT + timedelta(minutes=number)


def a_revision(sha: str = "62c0ffee") -> dict[str, str]:
    """A commit, as Proton tells it."""
    return {
        "repositoryProvider": "GITHUB",
        "repositoryName": "org/templates",
        "branch": "main",
        "directory": "/web",
        "sha": sha,
    }


def an_attempt(number: float, status: str = SUCCEEDED, *events: str) -> Attempt:
    """The attempt that started in minute `number`, with the texts of its events."""
    return Attempt(
        started_at=minute(number),
        status=status,
        target="web:1",
        initial_revision=a_revision("before"),
        target_revision=a_revision(f"sha-{number}"),
        events=tuple({"type": "SYNC", "event": text, "time": "2026-11-23T08:00:01Z"} for text in events),
    )


def a_blocker(id_: str = "blocker-1", **altered: Any) -> Blocker:
    """A blocker that began in minute 2."""
    blocker = Blocker(id_, "AUTOMATED", ACTIVE, "no such template", minute(2), {"pull-request": "42"})
    return replace(blocker, **altered)


def a_snapshot(latest: Attempt | None, success: Attempt | None = None) -> Snapshot:
    """An answer with these attempts."""
    return Snapshot(desired_state=a_revision("desired"), latest=latest, latest_successful=success)
