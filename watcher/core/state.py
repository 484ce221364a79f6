"""What is known of a target or an endpoint from one poll to the next, and its JSON form in the store. Pure.

The form has a version, and is the same in every store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from watcher.core.attempts import Line, is_line, note
from watcher.core.earlier_states import opening_of
from watcher.core.event_ids import incident_id
from watcher.core.model import Attempt, Blocker, Revision, parse_rfc3339, rfc3339
from watcher.util.shapes import MAX_INTEGER, NONE, Each, Nullable, check, parse

FORM = 1
"""The version of the stored form; it is increased by a change that earlier versions cannot read."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Taken:
    """How many times one attempt took a status. The count is in the event's id, as an attempt may go back and forth."""

    started_at: datetime
    status: str
    times: int


@dataclass(frozen=True, slots=True)
class Known:
    """The sync state of a target: the last accepted answer, and what must be remembered of those before."""

    attempt: Attempt | None
    """The latest attempt; None while the target never synced."""
    since: datetime
    """When this attempt was first observed with this status."""
    desired_state: Revision | None = None
    latest_successful: Attempt | None = None
    missing: bool = False
    """Whether the last answer had no `latestSync`, although there had been an attempt before."""
    failures: int = 0
    """Failed attempts in a row."""
    last_failure: datetime | None = None
    """`startedAt` of the last attempt among them."""
    last_success: datetime | None = None
    """`startedAt` of the last attempt that was observed or reported to succeed."""
    stalled: datetime | None = None
    """`startedAt` of the attempt that was last reported as stalled."""
    has_stalled: bool = False
    """Whether an attempt has stalled since the last success."""
    older: datetime | None = None
    """`startedAt` of the older attempt that the last answers showed instead (`core.diff`, rule 5)."""
    older_answers: int = 0
    """How many consecutive answers showed it."""
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class Outage:
    """An `unreadable` event that no `readable` event has followed yet."""

    since: datetime
    code: str
    message: str
    attempts: int
    """How many polls failed in a row before the event."""


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """The status of a connection, and how many times it took each status, which is in the ids of its events."""

    status: str
    since: datetime
    """When it was first observed with this status."""
    times: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The latest problem event of a type that a mute held back."""

    type: str
    event_id: str
    sinks: tuple[str, ...]
    """The sinks that it, or an earlier one that it stands for, was held back from."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An open incident (`core.incidents`)."""

    id: str
    opened_at: datetime
    """The time of the event that opened it."""
    problems: tuple[str, ...]
    """The problems that hold, in the order in which they began."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The labels of its target, for the event that reports its removal if it is no longer in the configuration."""
    notified: tuple[str, ...] | None = None
    """The sinks that its problem events were routed to; None: an earlier version did not record that."""
    held: tuple[HeldBack, ...] = ()
    """The problem events that mutes hold back (`core.mute_ends`), in their order; none of a problem that has ended."""


@dataclass(frozen=True, slots=True)
class KnownDigests:
    """What is remembered of digests."""

    schedule: str
    """The schedule that was last followed, as `core.digest.Digest` shows it."""
    until: datetime
    """A digest that was due by this time was recorded, or is skipped."""
    since: datetime
    """When the last one was recorded: the next one counts from then on."""


@dataclass(frozen=True, slots=True)
class Record:
    """The stored state of one subject: a target, or an endpoint (whose `known` stays None)."""

    known: Known | None = None
    sequence: int = 0
    """The sequence number of its last event."""
    outage: Outage | None = None
    blockers: tuple[Blocker, ...] = ()
    """The blockers that were reported as active (`core.blockers`)."""
    connection: KnownConnection | None = None
    """The status of a connection, whose `known` stays None."""
    incident: Incident | None = None
    discovery: int = 0
    """The number of its last event of discovery (`core.discovery.event_number`); 0: there was none."""
    recent: tuple[Line, ...] = ()
    """The last attempts of a target that were seen, the newest first (`core.attempts`)."""
    digests: KnownDigests | None = None
    """In the record of digests alone (`core.digest`)."""
    unfinished: tuple[str, ...] = ()
    """The sinks that show the latest attempt as unfinished (`core.unfinished`)."""


def forgotten(record: Record) -> Record:
    """Return what is kept of a subject that left the configuration: if it comes back, what is counted continues."""
    return Record(sequence=record.sequence, discovery=record.discovery)


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """Return `attempt` with the API's fields in camelCase and its times in UTC."""
    form: dict[str, Any] = _ATTEMPT.write(attempt)
    return form


def blocker_to_json(blocker: Blocker) -> dict[str, Any]:
    """Return `blocker` as an event has it, with its times in UTC."""
    form: dict[str, Any] = _BLOCKER.write(blocker)
    return form


def dump(record: Record) -> str:
    """Return `record` as the text that a store keeps."""
    parts = _RECORD.write(record)
    for rare in ("digests", "unfinished"):  # most records have neither
        if not parts[rare]:
            del parts[rare]
    return _encode({"form": FORM, "sequence": record.sequence, **parts})


def load(text: str, subject: str = "") -> Record:
    """Return the record that `dump` wrote; messages name `subject`.

    Raises:
        ValueError: the text is not a state, or has a form that this version does not know.
    """
    name = f"the state of {subject}" if subject else "state"
    form = parse(text, {}, name)
    if form.get("form") != FORM:
        raise ValueError(f"{name} of form {form.get('form')!r}, where this version knows {FORM}")
    if isinstance(form.get("known"), dict):
        form["known"].setdefault("has_stalled", False)  # added to form 1 later
    has_incident, has_recent = "incident" in form, "recent" in form
    added: dict[str, Any] = {
        "blockers": [],
        "connection": None,
        "incident": None,
        "discovery": 0,
        "recent": [],
        "digests": None,
        "unfinished": [],
    }
    form = added | form  # they were added to form 1 later
    if isinstance(form["incident"], dict):
        form["incident"] = {"told": None, "held": []} | form["incident"]
    check(form, _FORM, name)
    record: Record = _RECORD.read(form)
    if not has_recent and record.known is not None and (attempt := record.known.attempt) is not None:
        record = replace(record, recent=note((), attempt, first_seen=True, observed=True, ended_by=None))
    if not has_incident and (opening := opening_of(subject, record)) is not None:
        return replace(record, incident=Incident(incident_id(opening.event_id), opening.at, opening.problems))
    return record


class _Codec(NamedTuple):
    """How JSON keeps the values of one type: the form that is checked, and how a value is written and read."""

    form: Any
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _object(kind: type[Any], key: Callable[[str], str] = str) -> _Codec:
    """Return the codec of a dataclass by its annotations; `key` names a field in JSON.

    The annotations are strings, the keys of `_CODECS`, because this module and `model` import `annotations` from
    `__future__`. A field may be null if it may be None. Other keys are allowed, since a later version may add some.
    """
    parts = [(field.name, key(field.name), _CODECS[str(field.type).removesuffix(" | None")]) for field in fields(kind)]
    nullable = {field.name for field in fields(kind) if str(field.type).endswith(" | None")}
    writers = [(name, key, codec.write) for name, key, codec in parts]
    readers = [(name, key, codec.read) for name, key, codec in parts]

    def write(value: Any) -> dict[str, Any]:
        return {key: None if (part := getattr(value, name)) is None else to(part) for name, key, to in writers}

    def read(form: dict[str, Any]) -> Any:
        return kind(**{name: None if (part := form[key]) is None else of(part) for name, key, of in readers})

    form = {key: Nullable(codec.form) if name in nullable else codec.form for name, key, codec in parts}
    return _Codec(form, write, read)


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def _same(value: Any) -> Any:
    return value


def _is_taken(value: Any) -> bool:
    return isinstance(value, list) and [*map(type, value)] == [str, str, int] and 0 <= value[2] <= MAX_INTEGER


_TEXTS = Each(dict, (str, NONE))
_CODECS = {
    **{kind.__name__: _Codec(kind, _same, _same) for kind in (str, int, bool)},
    "datetime": _Codec(str, rfc3339, parse_rfc3339),
    "Revision": _Codec(_TEXTS, dict, _same),
    "Mapping[str, str]": _Codec(Each(dict, str), dict, _same),
    "Mapping[str, int]": _Codec(Each(dict, int), dict, _same),
    "tuple[str, ...]": _Codec(Each(list, str), list, tuple),
    "tuple[Line, ...]": _Codec(Each(list, is_line), list, tuple),
    "tuple[SyncEvent, ...]": _Codec(Each(list, _TEXTS), lambda events: list(map(dict, events)), tuple),
    "tuple[Taken, ...]": _Codec(
        Each(list, _is_taken),
        lambda taken: [[rfc3339(each.started_at), each.status, each.times] for each in taken],
        lambda form: tuple(Taken(parse_rfc3339(at), status, times) for at, status, times in form),
    ),
}
"""By the annotations of the fields of a record."""
_CODECS["Attempt"] = _ATTEMPT = _object(Attempt, _camel)
_CODECS["Known"], _CODECS["Outage"] = _object(Known), _object(Outage)
_BLOCKER = _object(Blocker)
_CODECS["tuple[Blocker, ...]"] = _Codec(
    Each(list, _BLOCKER.form),
    lambda blockers: [*map(_BLOCKER.write, blockers)],
    lambda form: tuple(map(_BLOCKER.read, form)),
)
_HELD = _object(HeldBack)
_CODECS["tuple[HeldBack, ...]"] = _Codec(
    Each(list, _HELD.form),
    lambda held: [*map(_HELD.write, held)],
    lambda form: tuple(map(_HELD.read, form)),
)
_CODECS["KnownConnection"] = _object(KnownConnection)
_CODECS["Incident"] = _object(Incident, lambda name: "told" if name == "notified" else name)  # as it was stored first
_CODECS["KnownDigests"] = _object(KnownDigests)
_RECORD = _object(Record)
_FORM = {"form": int, "sequence": int, **_RECORD.form}
"""The form of a stored state, with its keys in the order in which `dump` writes them."""
