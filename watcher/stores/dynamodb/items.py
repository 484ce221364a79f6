"""The items of the table, and their keys. Pure.

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

FORM = 1  # the version of all this
SHARDS = 16

Value = str | int | float | bytes | list[str]
Item = dict[str, Any]
"""The attributes of an item, as `attributes.checked`."""

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
