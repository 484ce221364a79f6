"""Reads an answer of the sync APIs as a Snapshot, or refuses it if it is not what the API promises. Pure.

The answers of both services have the same structure and differ in the spelling of its members. An attempt must have its
status and `startedAt`, without which nothing is known of the target; faults in other members do not invalidate them.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from watcher.core.model import Attempt, Blocker, Revision, Snapshot, SyncEvent, rfc3339
from watcher.errors import MALFORMED, TargetUnreadable
from watcher.util.bounded_text import bounded
from watcher.util.redaction import redacted_excerpt

T = TypeVar("T")

MAX_CONTEXTS, MAX_CONTEXT_BYTES = 10, 1024
"""The contexts of a blocker that are kept (the first ones), and bytes of each key and value."""

_ODD = (TypeError, ValueError, OverflowError, OSError)
"""The exceptions of reading a value of another type or out of range."""

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?")
"""`fromisoformat` by itself would accept a bare date, or a long row of digits."""


def camel(name: str) -> str:
    """Return a member's name as Proton spells it."""
    return name


def pascal(name: str) -> str:
    """Return a member's name as CodeConnections spells it."""
    return name[0].upper() + name[1:]


def snapshot_reader(spell: Callable[[str], str], revision: Sequence[str]) -> Callable[[dict[str, Any]], Snapshot]:
    """Return the function that reads the snapshot in an answer of one service.

    `spell` turns a name in camelCase into the service's spelling; `revision` has the names of a revision's members.
    Missing or malformed members are treated as absent, and named in `odd`; without the status or `startedAt` of an
    attempt, the function raises TargetUnreadable.
    """

    def snapshot_of(answer: dict[str, Any]) -> Snapshot:
        reader = _Reader(spell, revision)
        name = spell("desiredState")
        return Snapshot(
            latest=reader.attempt(answer, spell("latestSync")),
            latest_successful=reader.attempt(answer, spell("latestSuccessfulSync")),
            desired_state=None if answer.get(name) is None else reader.member(answer, name, reader.revision),
            odd=tuple(reader.odd),
        )

    return snapshot_of


def repository_reader(spell: Callable[[str], str]) -> Callable[[dict[str, Any]], Snapshot]:
    """Return the function that reads a repository's answer: its latest attempt, without a target and revisions.

    The rest is as for `snapshot_reader`.
    """

    def snapshot_of(answer: dict[str, Any]) -> Snapshot:
        reader = _Reader(spell, ())
        latest = reader.attempt(answer, spell("latestSync"))
        return Snapshot(desired_state=None, latest=latest, latest_successful=None, odd=tuple(reader.odd))

    return snapshot_of


def blockers_reader(spell: Callable[[str], str], summary: str) -> Callable[[dict[str, Any]], tuple[Blocker, ...]]:
    """Return the function that reads the blockers in an answer of one service, in its member `summary`.

    Other members of a blocker than `id` and `status` are treated as absent if they are malformed. The function raises
    TargetUnreadable if it cannot be known which blockers are active.
    """

    def blockers_of(answer: dict[str, Any]) -> tuple[Blocker, ...]:
        reader, name = _Reader(spell, ()), spell("latestBlockers")
        form = _required(answer, summary, _structure)
        listed = [] if form.get(name) is None else _required(form, name, _list)
        return tuple(map(reader.blocker, listed))

    return blockers_of


def _required(form: dict[str, Any], name: str, read: Callable[[Any], T]) -> T:
    try:
        return read(form[name])
    except KeyError:
        raise TargetUnreadable(MALFORMED, f"the answer lacks the required member {name!r}") from None
    except _ODD as error:
        raise TargetUnreadable(MALFORMED, f"the answer is not what the API promises: {name}: {error}") from None


class _Reader:
    """Reads the parts of one answer, and notes the members that it treats as absent.

    `revision`: the names of a revision's members; without any, an attempt has neither revisions nor a target.
    """

    def __init__(self, spell: Callable[[str], str], revision: Sequence[str]) -> None:
        self.odd: list[str] = []
        self._spell = spell
        self._revision = revision

    def attempt(self, answer: dict[str, Any], name: str) -> Attempt | None:
        if answer.get(name) is None:
            return None
        form, spell, synced = _required(answer, name, _structure), self._spell, bool(self._revision)
        return Attempt(
            started_at=_required(form, spell("startedAt"), _moment),
            status=_required(form, spell("status"), _text),
            target=self.member(form, spell("target"), _text) if synced else None,
            initial_revision=self.member(form, spell("initialRevision"), self.revision) if synced else None,
            target_revision=self.member(form, spell("targetRevision"), self.revision) if synced else None,
            events=self.member(form, spell("events"), self._events) or (),
        )

    def revision(self, value: Any) -> Revision:
        form = _structure(value)
        return {name: self.member(form, self._spell(name), _text) for name in self._revision}

    def blocker(self, form: Any) -> Blocker:
        spell = self._spell
        return Blocker(
            id=_required(form, spell("id"), _text),
            type=self.member(form, spell("type"), _text),
            status=_required(form, spell("status"), _text),
            created_reason=self.member(form, spell("createdReason"), _free_text),
            created_at=self.member(form, spell("createdAt"), _moment),
            contexts=self.member(form, spell("contexts"), self._contexts) or {},
            resolved_reason=self.member(form, spell("resolvedReason"), _free_text),
            resolved_at=self.member(form, spell("resolvedAt"), _moment),
        )

    def _contexts(self, value: Any) -> dict[str, str]:
        contexts = {}
        for form in _list(value)[:MAX_CONTEXTS]:
            key = self.member(_structure(form), self._spell("key"), _context)
            text = self.member(form, self._spell("value"), _context)
            if key is not None and text is not None:
                contexts[key] = text
        return contexts

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
        return tuple(event for event in map(self._event, _list(value)) if event)

    def _event(self, value: Any) -> SyncEvent:
        """A sync event; empty if nothing of it can be read."""
        spell, form = self._spell, value
        if not form or not isinstance(form, dict):
            self._note(f"{spell('events')}: one is not a structure, or is empty")
            return {}
        event = {
            "type": self.member(form, spell("type"), _text),
            "event": self.member(form, spell("event"), _free_text),
            "time": self.member(form, spell("time"), lambda time: rfc3339(_moment(time))),
        }
        if form.get(spell("externalId")) is not None:
            event["externalId"] = self.member(form, spell("externalId"), _text)
        return event if any(event.values()) else {}

    def _note(self, text: str) -> None:
        if len(self.odd) < 5:  # more would be too long for a log line
            self.odd.append(text)


def _text(value: Any, clean: Callable[[str], str] = bounded) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return clean(value)


def _free_text(value: Any) -> str:
    """Free text from AWS: secrets that it repeats are removed here."""
    return _text(value, redacted_excerpt)


def _context(value: Any) -> str:
    return _text(value, partial(redacted_excerpt, longest=MAX_CONTEXT_BYTES))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


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
