"""Decides when blockers are asked for, and what an answer about them means. Pure.

A blocker is reported when it is first seen to be active (`sync.blocked`), and when one that was reported is resolved or
no longer listed (`sync.unblocked`). One that is first seen when it is already resolved, and a status that this version
does not know, are not reported and change nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.core.model import ACTIVE, FAILED, RESOLVED, Blocker
from watcher.core.state import Record
from watcher.core.status import stalled

POLLS = 10
"""Blockers are asked for with every so many polls of a target, also if nothing seems wrong."""

MAX_BLOCKERS = 20
"""The most active blockers of a target that are kept; more are reported once some of these have ended."""

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BlockerChange:
    """A blocker that began or ended."""

    type: str
    """The type of the event without `watcher.`."""
    blocker: Blocker
    """As the answer has it; if it is no longer listed, as it was last."""


def is_due(record: Record, polls: int) -> bool:
    """Return whether the blockers of a target are asked for after a poll that was answered.

    They are if its latest attempt failed or is stalled, if it is blocked, and at every tenth poll.

    Args:
        record: what is known of the target after the poll.
        polls: the number of the poll, in a count whose start differs from target to target.
    """
    attempt = record.known.attempt if record.known else None
    has_failed = attempt is not None and attempt.status == FAILED
    return has_failed or stalled(record.known) or bool(record.blockers) or polls % POLLS == 0


def compare(
    known: Sequence[Blocker], answer: Iterable[Blocker]
) -> tuple[tuple[Blocker, ...], tuple[BlockerChange, ...]]:
    """Return the active blockers after an answer, and what changed: first those that ended, then those that began."""
    listed: dict[str, Blocker] = {}
    for blocker in answer:
        if blocker.id not in listed or blocker.status == RESOLVED:
            listed[blocker.id] = blocker
    kept, ended = [], []
    for before in known:
        latest = listed.pop(before.id, None)
        if latest is None or latest.status == RESOLVED:
            ended.append(latest or before)
        else:
            kept.append(latest if latest.status == ACTIVE else before)
    active = [blocker for blocker in listed.values() if blocker.status == ACTIVE]
    begun = sorted(active, key=lambda blocker: blocker.created_at or _NEVER)[: max(0, MAX_BLOCKERS - len(kept))]
    changes = [
        *(BlockerChange("sync.unblocked", blocker) for blocker in ended),
        *(BlockerChange("sync.blocked", blocker) for blocker in begun),
    ]
    return (*kept, *begun), tuple(changes)
