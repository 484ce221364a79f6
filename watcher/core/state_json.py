"""The JSON form of a record in the store, and of its parts in events. Pure.

The form has a version, and is the same in every store.
"""

import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple

from watcher.core.attempts import is_line, note
from watcher.core.earlier_states import opening_of
from watcher.core.event_ids import incident_id
from watcher.core.model import Attempt, Blocker, parse_rfc3339, rfc3339
from watcher.core.state import HeldBack, Incident, Known, KnownConnection, KnownDigests, Outage, Record, Taken
from watcher.util.shapes import MAX_INTEGER, NONE, Each, Nullable, check, parse

FORM = 1
"""The version of the stored form; it is increased by a change that earlier versions cannot read."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


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

    The annotations are strings, the keys of `_CODECS`, because `state` and `model` import `annotations` from
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


def _list(of: _Codec) -> _Codec:
    """Return the codec of a tuple of values, which is a list in JSON."""
    return _Codec(Each(list, of.form), lambda values: [*map(of.write, values)], lambda form: tuple(map(of.read, form)))


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
"""The codecs of the fields of a record, by the annotation of the field."""
_CODECS["Attempt"] = _ATTEMPT = _object(Attempt, _camel)
_CODECS["Known"], _CODECS["Outage"] = _object(Known), _object(Outage)
_BLOCKER = _object(Blocker)
_CODECS["tuple[Blocker, ...]"] = _list(_BLOCKER)
_CODECS["tuple[HeldBack, ...]"] = _list(_object(HeldBack))
_CODECS["KnownConnection"] = _object(KnownConnection)
_CODECS["Incident"] = _object(Incident, lambda name: "told" if name == "notified" else name)  # as it was stored first
_CODECS["KnownDigests"] = _object(KnownDigests)
_RECORD = _object(Record)
_FORM = {"form": int, "sequence": int, **_RECORD.form}
"""The form of a stored state, with its keys in the order in which `dump` writes them."""
