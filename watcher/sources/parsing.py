"""How an answer becomes a Snapshot, or is refused because it is not what the API promises. Pure.

The answers of both services have the same structure and differ in the spelling of its members. An attempt must have its
status and `startedAt`, without which nothing is known of the target; faults in other members do not invalidate them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from watcher.core.model import Attempt, Snapshot, rfc3339
from watcher.errors import MALFORMED, TargetUnreadable
from watcher.util.bounded_text import bounded
from watcher.util.redaction import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.model import Revision, SyncEvent

T = TypeVar("T")

NOTED = 5
"""How many members that are treated as absent are named, for one answer."""

_ODD = (TypeError, ValueError, OverflowError, OSError)
"""The exceptions of reading a value of another type or out of range."""

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?")
"""`fromisoformat` by itself would take a bare date, or a long row of digits."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a service spells the members of its answer, and which of a revision's it always sends."""

    latest_sync: str
    latest_successful_sync: str
    desired_state: str
    started_at: str
    status: str
    target: str
    initial_revision: str
    target_revision: str
    events: str
    event: str
    time: str
    type: str
    external_id: str
    revision: tuple[tuple[str, str], ...]
    """A revision's members: as they are spelt, and in camelCase."""


def snapshot_reader(spelling: Spelling) -> Callable[[dict[str, Any]], Snapshot]:
    """Return `snapshot_of` for one spelling."""
    return partial(snapshot_of, spelling=spelling)


def snapshot_of(answer: dict[str, Any], spelling: Spelling) -> Snapshot:
    """The snapshot in an answer. Members that are missing or malformed are treated as absent, and named in `odd`.

    Raises:
        TargetUnreadable: the status or `startedAt` of an attempt is missing or malformed.
    """
    reader = _Reader(spelling)
    desired = answer.get(spelling.desired_state)
    return Snapshot(
        latest=reader.attempt(answer, spelling.latest_sync),
        latest_successful=reader.attempt(answer, spelling.latest_successful_sync),
        desired_state=None if desired is None else reader.member(answer, spelling.desired_state, reader.revision),
        odd=tuple(reader.odd),
    )


def _required(form: dict[str, Any], name: str, read: Callable[[Any], T]) -> T:
    try:
        return read(form[name])
    except KeyError:
        raise TargetUnreadable(MALFORMED, f"the answer lacks the required member {name!r}") from None
    except _ODD as error:
        raise TargetUnreadable(MALFORMED, f"the answer is not what the API promises: {name}: {error}") from None


class _Reader:
    """Reads the parts of one answer, and notes the members that it treats as absent."""

    def __init__(self, spelling: Spelling) -> None:
        self.odd: list[str] = []
        self._spelling = spelling

    def attempt(self, answer: dict[str, Any], name: str) -> Attempt | None:
        if answer.get(name) is None:
            return None
        form, spelling = _required(answer, name, _structure), self._spelling
        return Attempt(
            started_at=_required(form, spelling.started_at, _moment),
            status=_required(form, spelling.status, _text),
            target=self.member(form, spelling.target, _text),
            initial_revision=self.member(form, spelling.initial_revision, self.revision),
            target_revision=self.member(form, spelling.target_revision, self.revision),
            events=self.member(form, spelling.events, self._events) or (),
        )

    def revision(self, value: Any) -> Revision:
        form = _structure(value)
        return {name: self.member(form, spelt, _text) for spelt, name in self._spelling.revision}

    def member(self, form: dict[str, Any], name: str, read: Callable[[Any], T]) -> T | None:
        """The member, read by `read`; None if it is missing, or not what the API promises."""
        if form.get(name) is None:
            self._note(f"{name} is missing")
            return None
        try:
            return read(form[name])
        except _ODD as error:
            self._note(f"{name}: {error}")
            return None

    def _events(self, value: Any) -> tuple[SyncEvent, ...]:
        if not isinstance(value, list):
            raise TypeError("not a list")
        return tuple(event for event in map(self._event, value) if event)

    def _event(self, value: Any) -> SyncEvent:
        """A sync event; empty if nothing of it can be read."""
        spelling, form = self._spelling, value
        if not form or not isinstance(form, dict):
            self._note(f"{spelling.events}: one is not a structure, or is empty")
            return {}
        event = {
            "type": self.member(form, spelling.type, _text),
            # Free text from AWS: secrets that it repeats are removed here.
            "event": self.member(form, spelling.event, lambda text: _text(text, excerpt)),
            "time": self.member(form, spelling.time, lambda time: rfc3339(_moment(time))),
        }
        if form.get(spelling.external_id) is not None:
            event["externalId"] = self.member(form, spelling.external_id, _text)
        return event if any(event.values()) else {}

    def _note(self, text: str) -> None:
        if len(self.odd) < NOTED:
            self.odd.append(text)


def _text(value: Any, clean: Callable[[str], str] = bounded) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return clean(value)


def _moment(value: Any) -> datetime:
    """Epoch seconds, as AWS JSON writes times, or ISO 8601, as it may."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        if not _ISO.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is not a time")
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise TypeError("neither a number nor a text")


def _structure(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not a structure")
    return value
