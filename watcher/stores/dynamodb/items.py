"""The items of the table: their keys, and how values are written. Pure.

| key `k` | sort key `s` | item |
|---|---|---|
| `M` | `M` | the form's version, the number of shards |
| `M` | `K` | the sinks of the last start, and those that are `coming` |
| `M` | `A` | when a daemon last marked the table as up to date; unlike `W#`, it is kept when the daemon stops |
| `M` | `C`, place | the last good text of a remote configuration, with a digest |
| `T#<shard>` | subject | a subject's state; `tx` names the transaction that wrote it, `n` the last event's number |
| `G` | moment, subject | a subject that was forgotten at that moment: what is kept of it is pruned by this |
| `E#<subject>` | number, id | an event with its body |
| `H` | hour | an hour in which there are events |
| `H#<hour>` | number, id | an event's place in the history |
| `X#<event id>` | `E`, number, subject | the same by its id; |
| | `D`, subject, sink, number, reminder | a delivery of it that was sent or dropped |
| `O#<shard>` | subject, sink, number, reminder | a delivery that waits |
| `D#<shard>` | subject, sink, number, reminder | a dead letter |
| `F` | account, region, kind | the last complete listing of these, with a digest of its targets |
| `U` | moment, id | a mute that somebody made, which ends then |
| | `A`, incident | an acknowledgement of that incident |
| `A` | start, subject | an attempt in the history |
| `I` | end, subject, id | an incident in the history, which has ended |
| `P#<id>` | number | a part of a text that is too long for one item |
| `L` | `S#<shard>`, `W#<watcher>` | the leases, and the counters of the daemons (`leases`) |

An event's body is there once, however many sinks wait for it; so what waits is small, and settling it is cheap.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from watcher.core.by_hand import HandMute
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.listings import ListingKey
from watcher.core.model import rfc3339
from watcher.sources import kind_of
from watcher.stores.dynamodb.lane_index import Place, Row
from watcher.util.shapes import Each, Optional, check, is_moment, is_time

FORM = 1  # the version of all this
SHARDS = 16

Value = str | int | float | bytes | list[str]
Item = dict[str, Any]
"""The attributes of an item, as `checked`."""

END = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1e6)  # no event has this number: no hour is later
MAX_KEY_PART = 400  # bytes of a subject or a sink's name in a key, which has 1024 at most
SEPARATOR = "\x1f"  # occurs in no name, so that no key begins with another by chance
OWED = "\x1d"
"""Begins, where a sink's name would stand, the key of a note of deliveries that are still to be written."""


class Key(NamedTuple):
    """The key of an item."""

    k: str
    s: str


META, SINKS, ALIVE = Key("M", "M"), Key("M", "K"), Key("M", "A")
LISTINGS, FORGOTTEN, BY_HAND = "F", "G", "U"
"""The partitions of the listings, of the subjects that were forgotten, and of what people set by hand."""
ATTEMPTS, INCIDENTS = "A", "I"
"""The partitions of the history."""
ACKNOWLEDGED = f"A{SEPARATOR}"
"""Begins the sort key of an acknowledgement."""


class EventKey(NamedTuple):
    """Identifies an event, and has the keys of its items: with the body, in the history, and by its ID."""

    number: int
    subject: str
    id: str

    @classmethod
    def of(cls, row: Row) -> EventKey:
        """Return the key of the event that a delivery is of."""
        return cls(row.place.number, row.place.subject, row.event_id)

    @property
    def sort(self) -> str:
        return f"{self.number:020}{SEPARATOR}{self.id}"

    @property
    def body(self) -> Key:
        return Key(history(self.subject), self.sort)

    @property
    def in_history(self) -> Key:
        return Key(f"H#{hour_of(self.number)}", self.sort)

    @property
    def by_id(self) -> Key:
        return Key(by_id(self.id), f"E{SEPARATOR}{self.number:020}{SEPARATOR}{part(self.subject)}")


@lru_cache(1 << 16)
def shard_of(subject: str) -> int:
    """Return the shard of a target or an endpoint: by the endpoint, of whose rate one daemon thus has all."""
    digest = sha256("/".join(endpoint_of(subject)).encode()).digest()
    return int.from_bytes(digest[:8], "big") % SHARDS


def endpoint_of(subject: str) -> tuple[str, ...]:
    """Return account, region and API of a subject, as path segments."""
    parts = subject.split("/")
    if len(parts) <= 3:
        return tuple(parts)
    kind = kind_of(subject)
    # An unknown kind is that of a later version, whose daemons may share the table.
    return (*parts[:2], kind.api if kind else "codeconnections")


def part(text: str) -> str:
    """Return `text`, or its digest, as a part of a key."""
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= MAX_KEY_PART else f"#{sha256(encoded).hexdigest()}"


def lanes(*names: str) -> str:
    """Return how the sort keys of deliveries begin: of all of a subject, or of those of a subject to a sink."""
    return "".join(f"{part(name)}{SEPARATOR}" for name in names)


def sort_of(place: Place) -> str:
    """A delivery's sort key, in any partition."""
    return f"{lanes(place.subject, place.sink)}{place.number:020}{SEPARATOR}{place.reminder:06}"


def state(subject: str) -> Key:
    """Return the key of a subject's state."""
    return Key(f"T#{shard_of(subject)}", part(subject))


def waiting(place: Place) -> Key:
    """Return the key of a waiting delivery."""
    return Key(f"O#{shard_of(place.subject)}", sort_of(place))


def dead(place: Place) -> Key:
    """Return the key of a dead letter."""
    return Key(f"D#{shard_of(place.subject)}", sort_of(place))


def settled(event_id: str, place: Place) -> Key:
    """Return the key of a delivery that was sent or dropped."""
    return Key(by_id(event_id), f"D{SEPARATOR}{sort_of(place)}")


def forgotten(subject: str, moment: float) -> Key:
    """Return the key of the note that a subject was forgotten."""
    return Key(FORGOTTEN, f"{number_at(moment):020}{SEPARATOR}{part(subject)}")


def listing(key: ListingKey) -> Key:
    """Return the key of a listing."""
    return Key(LISTINGS, SEPARATOR.join(map(part, key)))


def mute(each: HandMute) -> Key:
    """Return the key of a mute."""
    return Key(BY_HAND, f"{number_at(each.ends.timestamp()):020}{SEPARATOR}{part(each.id)}")


def acknowledgement(incident: str) -> Key:
    """Return the key of the acknowledgement of an incident."""
    return Key(BY_HAND, f"{ACKNOWLEDGED}{part(incident)}")


def attempt(row: AttemptRow) -> Key:
    """Return the key of an attempt in the history."""
    return Key(ATTEMPTS, f"{rfc3339(row.attempt.started_at)}{SEPARATOR}{part(row.subject)}")


def incident(row: IncidentRow) -> Key:
    """Return the key of an incident in the history."""
    return Key(INCIDENTS, SEPARATOR.join((rfc3339(row.closed_at), part(row.subject), row.id)))


def config_copy(place: str) -> Key:
    """Return the key of the copy of a remote configuration."""
    return Key("M", f"C{SEPARATOR}{part(place)}")


def history(subject: str) -> str:
    """Return the partition of a subject's events."""
    return f"E#{part(subject)}"


def by_id(event_id: str) -> str:
    """Return the partition of everything with an event's ID."""
    return f"X#{event_id}"


def hour_of(number: int) -> str:
    """Return the hour of an event with this number."""
    return datetime.fromtimestamp(number / 1e6, UTC).strftime("%Y%m%d%H")


def number_at(moment: float) -> int:
    """Return the first number of a moment, in seconds since 1970."""
    return int(moment * 1e6)


def key_of(item: Item) -> Key:
    """Return the key of an item."""
    return Key(str(item["k"]), str(item["s"]))


def encodable(text: str) -> str:
    """Return `text` as DynamoDB accepts it: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def encode(item: Mapping[str, Value] | Key) -> dict[str, Any]:
    """Return an item, a key or values in the form of DynamoDB's API."""
    values = item._asdict() if isinstance(item, Key) else item
    return {name: _encode(value) for name, value in values.items()}


def decode(item: dict[str, Any]) -> Item:
    """Return an item from DynamoDB's JSON, parsed by botocore or watcher.

    Raises:
        ValueError: an attribute has a type that watcher never writes.
    """
    return {name: _decode(value) for name, value in item.items()}


def checked(item: Item) -> Item:
    """Return `item` if it has the attributes that its readers rely on.

    Raises:
        ValueError: an attribute is missing, or has another type.
    """
    partition, _, rest = str(item["k"]).partition("#")
    form = _DELIVERY if "sink" in item and partition in {"O", "D", "X"} else _FORMS.get(partition)
    if form is not None and (rest or partition in _WHOLE):
        check(item, form, "the item")
        if item.get("state", "sent") not in _STATES:
            raise ValueError(f"the item.state cannot be {item['state']!r}")
    return item


def _encode(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, list):
        return {"L": [{"S": each} for each in value]}
    # In DynamoDB's own form, in which it is also returned.
    return {"N": str(int(value)) if value == int(value) else repr(value)}


def _decode(value: dict[str, Any]) -> Value:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return str(content)
        case "N":
            return int(content) if content.lstrip("-").isdecimal() else float(content)
        case "B":
            return base64.b64decode(content)
        case "L":
            return [str(_decode(each)) for each in content]
    raise ValueError(f"an attribute of type {kind}, which is never written")


_STATES = ("waiting", "sent", "dead", "dropped")
_TEXT = {"text": Optional((str, bytes)), "parts": Optional(str), "count": Optional(int)}
_NAMED = {"number": int, "id": str, "subject": str}
_SHOWN = {**_NAMED, "type": str, "time": str, "recorded": is_moment}
_OWED = Each(list, str)
_FORMS: dict[str, Any] = {
    "T": {"subject": str, "tx": str, "n": Optional(int), "forgotten": Optional(is_moment), **_TEXT},
    FORGOTTEN: {"subject": str, "forgotten": is_moment},
    "E": _SHOWN | _TEXT,
    "H": _SHOWN,
    "X": _NAMED,
    "O": {"subject": str, "recorded": is_moment, "owed": _OWED, "tx": str},
    LISTINGS: {"account": str, "region": str, "kind": str, "completed_at": is_time, "digest": str, **_TEXT},
    BY_HAND: {"at": is_moment, "form": str},
    ATTEMPTS: {"subject": str, "labels": str},
    INCIDENTS: {"subject": str, "labels": str},
    "P": {"text": (str, bytes)},
}
_WHOLE = {LISTINGS, FORGOTTEN, BY_HAND, ATTEMPTS, INCIDENTS}
"""The partitions whose names have no second part."""
_DELIVERY = {
    **_NAMED, "sink": str, "reminder": int, "recorded": is_moment, "state": Optional(str), "tries": Optional(int),
    "tried": Optional(is_moment), "ended": Optional(is_moment), "answer": Optional(str), "failures": Optional(int),
    "since": Optional(is_moment), "next_try": Optional(is_moment), "after": Optional(int), "owed": Optional(_OWED),
}  # fmt: skip
"""The attributes by the first letter of the partition (`_FORMS`), and of deliveries in any partition."""
