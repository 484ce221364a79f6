"""The contents of a store as JSON Lines: the form of an export. Pure.

The first line names the form, the last one counts the others, so that half a file is not taken for a whole one. Events
stand in their order; each store gives them numbers of its own.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from watcher.core import by_hand, history, state_json
from watcher.core.by_hand import Acknowledgement, HandMute
from watcher.core.deliveries import DeliveryState
from watcher.core.event_check import check_event
from watcher.core.events import Event
from watcher.core.history import AttemptRow, HistoryRow, IncidentRow
from watcher.core.listings import Listing, ListingKey, targets_from_json, targets_to_json
from watcher.core.model import parse_rfc3339, rfc3339
from watcher.core.state import Record
from watcher.errors import StoreError, UsageError
from watcher.util.shapes import Each, Optional, check, is_moment, is_time, is_unicode, parse

FORM = 1

HEADER = "watcher_state"
"""The key of a file's first line."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """The sinks of the last start."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a subject."""

    subject: str
    record: Record
    forgotten: float | None = None
    """When it left the configuration, in seconds since 1970; None: it did not."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event in the history; with its subject its number names it."""

    number: int
    recorded: float
    event: Event


@dataclass(frozen=True, slots=True)
class Sending:
    """A delivery, whatever became of it; `failures`, `since` and `next_try` are of the subject's streak at the sink."""

    number: int
    subject: str
    sink: str
    reminder: int
    state: DeliveryState
    tries: int = 0
    tried: float | None = None
    ended: float | None = None
    answer: str | None = None
    failures: int = 0
    since: float | None = None
    next_try: float = 0.0


Part = Sinks | State | Listing | HandMute | Acknowledgement | HistoryRow | Recorded | Sending


def lines(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the lines of an export.

    Raises:
        StoreError: a part has a form that watcher never writes.
    """
    yield json.dumps({HEADER: FORM})
    count = 0
    for part in parts:
        kind, values = _written(part)
        try:
            check(values, _FORMS[kind], kind)
        except ValueError as error:
            which = ", ".join(str(values[name]) for name in _KEYS[kind])
            raise StoreError(f"the {kind} {which} in the store cannot be exported: {error}; delete it, or restore the "
                             "store") from None  # fmt: skip
        yield json.dumps({kind: values}, separators=(",", ":"))
        count += 1
    yield json.dumps({"end": count})


def parts(file: Iterable[str], name: str) -> Iterator[Part]:
    """Yield the parts of an export; `name` is the file's in messages.

    Raises:
        UsageError: the file is not an export, has a later form, or is incomplete.
    """
    keys: set[tuple[object, ...]] = set()
    number = 0
    for number, line in enumerate(file, 1):
        try:
            form = parse(line, None, "the line")
            if number == 1:
                _check_version(form, name)
                continue
            kind, values = _checked(form)
            _add_key(kind, values, keys)
            if kind != "end":
                yield _part(kind, values)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{name}:{number}: this is not an export of watcher: {error}; export the state again"
            ) from error
    if not number:
        raise UsageError(f"{name}: the file is empty; export the state again")
    if ("end",) not in keys:
        raise UsageError(f"{name}:{number}: the file ends too early; export the state again")


def _check_version(form: Any, name: str) -> None:
    if not isinstance(form, dict) or HEADER not in form:
        raise ValueError("its first line has no format")
    found = form[HEADER]
    check(found, int, HEADER)
    if found != FORM:
        raise UsageError(
            f"{name}: written by another version of watcher (format {found!r}, this one knows {FORM}); use that version"
        )


def _checked(form: Any) -> tuple[str, Any]:
    """Return the kind and the values of a line, which have the form that watcher writes."""
    if not isinstance(form, dict) or len(form) != 1:
        raise ValueError("it is not an object with one key")
    ((kind, values),) = form.items()
    known = _FORMS.get(kind)
    if known is None:
        raise ValueError(f"{kind!r} is unknown in this format")
    check(values, known, kind)
    if isinstance(known, dict) and (strange := sorted(values.keys() - known.keys())):
        raise ValueError(f"`{kind}` has {strange[0]!r}, which this version does not know")
    return kind, values


def _add_key(kind: str, values: Any, keys: set[tuple[object, ...]]) -> None:
    """Add what names a line, which may occur only once in a file."""
    key = (kind, *(values[name] for name in _KEYS[kind]))
    if ("end",) in keys:
        raise ValueError("something follows the end")
    if key in keys:
        raise ValueError("it repeats an earlier line")
    if kind == "end" and values != len(keys):
        raise ValueError(f"the end counts {values} lines, but there are {len(keys)}")
    if kind == "delivery" and ("event", values["number"], values["subject"]) not in keys:
        raise ValueError(f"the event of the delivery {values['number']} is missing")
    keys.add(key)


def _written(part: Part) -> tuple[str, Any]:
    match part:
        case Sinks(names):
            return "sinks", [*names]
        case State(subject, record, forgotten):
            left = {} if forgotten is None else {"forgotten": forgotten}
            return "state", {"subject": subject, "record": json.loads(state_json.dump(record)), **left}
        case Listing(key, completed_at, targets):
            at = rfc3339(completed_at)
            return "listing", {**key._asdict(), "completed_at": at, "targets": targets_to_json(targets)}
        case HandMute():
            return "mute", by_hand.mute_to_json(part)
        case Acknowledgement():
            return "acknowledgement", by_hand.acknowledgement_to_json(part)
        case AttemptRow():
            return "attempt", history.row_to_json(part)
        case IncidentRow():
            return "incident", history.row_to_json(part)
        case Recorded(number, recorded, event):
            return "event", {"number": number, "recorded": recorded, **event._asdict()}
        case Sending():
            return "delivery", asdict(part)


def _part(kind: str, values: Any) -> Part:
    match kind:
        case "sinks":
            return Sinks(tuple(dict.fromkeys(values)))
        case "state":
            record = state_json.load(json.dumps(values["record"]), values["subject"])
            return State(values["subject"], record, values.get("forgotten"))
        case "listing":
            key = ListingKey(values["account"], values["region"], values["kind"])
            return Listing(key, parse_rfc3339(values["completed_at"]), targets_from_json(values["targets"], key))
        case "mute":
            return by_hand.mute_from_json(values)
        case "acknowledgement":
            return by_hand.acknowledgement_from_json(values)
        case "attempt":
            return history.attempt_from_json(values)
        case "incident":
            return history.incident_from_json(values)
        case "event":
            return Recorded(values.pop("number"), values.pop("recorded"), check_event(Event(**values)))
    return Sending(**{**values, "state": DeliveryState(values["state"])})


_FORMS: dict[str, Any] = {
    "sinks": Each(list, is_unicode),
    "state": {"subject": is_unicode, "record": {}, "forgotten": Optional(is_moment, null=False)},
    "listing": {
        "account": is_unicode, "region": is_unicode, "kind": is_unicode, "completed_at": is_time,
        "targets": Each(list, {}),
    },
    "mute": by_hand.MUTE_FORM,
    "acknowledgement": by_hand.ACKNOWLEDGEMENT_FORM,
    "attempt": history.ATTEMPT_FORM,
    "incident": history.INCIDENT_FORM,
    "event": {
        "number": int, "recorded": is_moment, "id": is_unicode, "type": is_unicode, "subject": is_unicode,
        "time": is_unicode, "body": is_unicode,
    },
    "delivery": {
        "number": int, "subject": is_unicode, "sink": is_unicode, "reminder": int, "state": is_unicode, "tries": int,
        "tried": Optional(is_moment), "ended": Optional(is_moment), "answer": Optional(is_unicode), "failures": int,
        "since": Optional(is_moment), "next_try": is_moment,
    },
    "end": int,
}  # fmt: skip

_KEYS = {"sinks": (), "state": ("subject",), "listing": ("account", "region", "kind"), "mute": ("id",),
         "acknowledgement": ("incident",), "attempt": ("subject", "started_at"),
         "incident": ("subject", "closed_at", "id"), "event": ("number", "subject"),
         "delivery": ("number", "subject", "sink", "reminder"), "end": ()}  # fmt: skip
"""What names a line of each kind."""
