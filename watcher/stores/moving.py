"""What a store holds, as JSON Lines: the form in which state moves from one store to another. Pure.

The first line names the form, the last one counts the others, so that half a file is not taken for a whole one. Events
are told in their order; each store gives them numbers of its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from watcher import state
from watcher.errors import UsageError
from watcher.events import Event
from watcher.protocols import DeliveryState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.state import Record

FORM = 1

NO_MOMENT = 1e11
"""Seconds since 1970 that no clock comes to."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """The sinks of the last start."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a subject."""

    subject: str
    record: Record


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


Part = Sinks | State | Recorded | Sending


def lines(parts: Iterable[Part]) -> Iterator[str]:
    """A whole file's lines."""
    yield json.dumps({"watcher_state": FORM})
    count = 0
    for part in parts:
        yield json.dumps(_told(part), separators=(",", ":"))
        count += 1
    yield json.dumps({"end": count})


def parts(file: Iterable[str], name: str) -> Iterator[Part]:
    """What a file tells; `name` is told in messages.

    Raises:
        UsageError: it is no such file, of a later form, or not whole.
    """
    found, ended, number = _Found(), False, 0
    for number, line in enumerate(file, 1):
        try:
            form = json.loads(line)
            if number == 1:
                _check(form, name)
            elif not ended and isinstance(form, dict) and "end" in form:
                found.end(form["end"])
                ended = True
            else:
                yield found.take(_part(form), late=ended)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{name}:{number}: this is no state of a watcher: {error}; export it anew") from error
    if not number:
        raise UsageError(f"{name}: the file is empty; export it anew")
    if not ended:
        raise UsageError(f"{name}:{number}: the file ends too early; export it anew")


class _Found:
    """What a file has told so far."""

    def __init__(self) -> None:
        self._count = 0
        self._events: set[tuple[int, str]] = set()

    def take(self, part: Part, *, late: bool) -> Part:
        if late:
            raise ValueError("something follows the end")
        if isinstance(part, Recorded):
            self._events.add((part.number, part.event.subject))
        if isinstance(part, Sending) and (part.number, part.subject) not in self._events:
            raise ValueError(f"the event of the delivery {part.number} is missing")
        self._count += 1
        return part

    def end(self, count: int) -> None:
        if count != self._count:
            raise ValueError(f"the end counts {count} lines, where there are {self._count}")


def _check(form: Any, name: str) -> None:
    if not isinstance(form, dict) or "watcher_state" not in form:
        raise ValueError("its first line names no form")
    found = form["watcher_state"]
    if found != FORM:
        raise UsageError(
            f"{name}: written by another version of watcher (form {found!r}, this one knows {FORM}); use that version"
        )


def _told(part: Part) -> dict[str, Any]:
    match part:
        case Sinks(names):
            return {"sinks": names}
        case State(subject, record):
            return {"state": {"subject": subject, "record": json.loads(state.dump(record))}}
        case Recorded(number, recorded, event):
            return {"event": {"number": number, "recorded": recorded, **asdict(event)}}
        case Sending():
            return {"delivery": asdict(part)}


def _part(form: Any) -> Part:
    """A line's meaning.

    Raises:
        ValueError: it has none; the message says why.
    """
    if not isinstance(form, dict) or len(form) != 1:
        raise ValueError("it is no object with one key")
    ((kind, told),) = form.items()
    if kind == "sinks":
        if not isinstance(told, list) or not all(isinstance(name, str) for name in told):
            raise ValueError("`sinks` is no list of names")
        return Sinks(tuple(told))
    known = {"state": _STATE, "event": _EVENT, "delivery": _DELIVERY}.get(kind)
    if known is None:
        raise ValueError(f"there is no {kind!r} in this form")
    if not isinstance(told, dict):
        raise ValueError(f"`{kind}` is no object")  # noqa: TRY004  whoever reads the file catches one kind
    for name, types in known.items():
        if name not in told:
            raise ValueError(f"`{kind}` has no {name!r}")
        _check_value(f"{kind}.{name}", told[name], types)
    if strange := sorted(told.keys() - known.keys()):
        raise ValueError(f"`{kind}` has {strange[0]!r}, which this version does not know")
    match kind:
        case "state":
            return State(told["subject"], state.load(json.dumps(told["record"])))
        case "event":
            return Recorded(told.pop("number"), told.pop("recorded"), Event(**told))
    return Sending(**{**told, "state": DeliveryState(told["state"])})


def _check_value(name: str, value: Any, types: tuple[type, ...]) -> None:
    if not isinstance(value, types) or isinstance(value, bool):
        raise ValueError(f"{name} is {json.dumps(value)[:40]}, which it cannot be")  # noqa: TRY004  the same
    if isinstance(value, float) and not abs(value) < NO_MOMENT:
        raise ValueError(f"{name} is {value}, which is no moment")


_NUMBER, _NOTHING = (int, float), type(None)
_STATE: dict[str, tuple[type, ...]] = {"subject": (str,), "record": (dict,)}
_EVENT: dict[str, tuple[type, ...]] = {
    "number": (int,), "recorded": _NUMBER, "id": (str,), "type": (str,), "subject": (str,), "time": (str,),
    "body": (str,),
}  # fmt: skip
_DELIVERY: dict[str, tuple[type, ...]] = {
    "number": (int,), "subject": (str,), "sink": (str,), "reminder": (int,), "state": (str,), "tries": (int,),
    "tried": (*_NUMBER, _NOTHING), "ended": (*_NUMBER, _NOTHING), "answer": (str, _NOTHING), "failures": (int,),
    "since": (*_NUMBER, _NOTHING), "next_try": _NUMBER,
}  # fmt: skip
