"""What people set by hand while daemons run: mutes and acknowledgements; their JSON form, and the interfaces of stores.

A mute holds events back until it ends, or is ended early. An acknowledgement ends the reminders of one open incident.
Both are kept in the store beside the state, so that every daemon that uses the store follows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from watcher.core.model import parse_rfc3339, rfc3339
from watcher.util.shapes import Each, Nullable, check, is_time, is_unicode

if TYPE_CHECKING:
    from watcher.core.state import Incident

MAX_MUTES = 200
"""The most mutes that may be active: each event is compared with all of them."""


@dataclass(frozen=True, slots=True)
class HandMute:
    """A mute that somebody made."""

    id: str
    targets: tuple[str, ...]
    """Globs of the ids of targets and endpoints."""
    events: tuple[str, ...]
    """Globs of event types; none: all."""
    created_at: datetime
    until: datetime
    reason: str
    by: str
    """Who made it."""
    ended_at: datetime | None = None
    """When it was ended early; None: it was not."""
    ended_by: str | None = None

    @property
    def ends(self) -> datetime:
        """When it ends, or has ended."""
        return self.ended_at or self.until

    def active(self, now: datetime) -> bool:
        """Return whether it holds events back at `now`."""
        return self.ended_at is None and now < self.until


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody attends to an incident: no reminders of it are sent until it ends."""

    incident: str
    """The id of the incident."""
    subject: str
    opened_at: datetime
    """When the incident was opened: one that is opened anew may have the same id."""
    at: datetime
    by: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """The mutes, the oldest first, and the acknowledgements by the id of their incident."""

    mutes: tuple[HandMute, ...] = ()
    acknowledgements: Mapping[str, Acknowledgement] = field(default_factory=dict, hash=False)

    @property
    def parts(self) -> tuple[HandMute | Acknowledgement, ...]:
        """All of it."""
        return (*self.mutes, *self.acknowledgements.values())

    def acknowledgement(self, incident: Incident | None) -> Acknowledgement | None:
        """Return the acknowledgement of an open incident; None: nobody has acknowledged it."""
        found = self.acknowledgements.get(incident.id) if incident else None
        return found if found and incident and found.opened_at == incident.opened_at else None


NOTHING_BY_HAND = ByHand()
"""Nobody has set anything."""


def in_order(mutes: Sequence[HandMute], acknowledgements: Sequence[Acknowledgement]) -> ByHand:
    """Return these mutes and acknowledgements in their order."""
    ordered = sorted(mutes, key=lambda mute: (mute.created_at, mute.id))
    return ByHand(tuple(ordered), {each.incident: each for each in acknowledgements})


def ended_early(mute: HandMute, now: datetime, by: str) -> HandMute | None:
    """Return an active mute as it is once somebody has ended it; None: it is not active any more."""
    return replace(mute, ended_at=now, ended_by=by) if mute.active(now) else None


class HandReader(Protocol):
    """Reads what people have set by hand."""

    async def by_hand(self, now: datetime | None = None) -> ByHand:
        """Return the mutes that end after `now` (None: all that are kept), and all acknowledgements that are kept."""


class HandWriter(HandReader, Protocol):
    """Changes what people set by hand; each change is one transaction."""

    async def add_mute(self, mute: HandMute) -> bool:
        """Add a mute; return False if there are `MAX_MUTES` already that end later than it was made."""

    async def end_mute(self, mute_id: str, now: datetime, by: str) -> HandMute | None:
        """End an active mute early, and return it as it is now; None: there is none with this id."""

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Add acknowledgements, each in place of an earlier one of the same incident."""


def mute_to_json(mute: HandMute) -> dict[str, Any]:
    """Return the JSON form of a mute."""
    return {
        "id": mute.id,
        "targets": [*mute.targets],
        "events": [*mute.events],
        "created_at": rfc3339(mute.created_at),
        "until": rfc3339(mute.until),
        "reason": mute.reason,
        "by": mute.by,
        "ended_at": None if mute.ended_at is None else rfc3339(mute.ended_at),
        "ended_by": mute.ended_by,
    }


def mute_from_json(form: Any) -> HandMute:
    """Return the mute whose JSON form this is.

    Raises:
        ValueError: it has another form.
    """
    check(form, MUTE_FORM, "the mute")
    return HandMute(
        form["id"],
        tuple(form["targets"]),
        tuple(form["events"]),
        parse_rfc3339(form["created_at"]),
        parse_rfc3339(form["until"]),
        form["reason"],
        form["by"],
        None if form["ended_at"] is None else parse_rfc3339(form["ended_at"]),
        form["ended_by"],
    )


def acknowledgement_to_json(each: Acknowledgement) -> dict[str, Any]:
    """Return the JSON form of an acknowledgement."""
    return {
        "incident": each.incident,
        "subject": each.subject,
        "opened_at": rfc3339(each.opened_at),
        "at": rfc3339(each.at),
        "by": each.by,
        "note": each.note,
    }


def acknowledged_to_json(found: Acknowledgement | None) -> dict[str, Any] | None:
    """Return `acknowledged` of an incident in JSON: when, by whom and why; None: nobody has acknowledged it."""
    return None if found is None else {"at": rfc3339(found.at), "by": found.by, "note": found.note}


def acknowledgement_from_json(form: Any) -> Acknowledgement:
    """Return the acknowledgement whose JSON form this is.

    Raises:
        ValueError: it has another form.
    """
    check(form, ACKNOWLEDGEMENT_FORM, "the acknowledgement")
    return Acknowledgement(
        form["incident"],
        form["subject"],
        parse_rfc3339(form["opened_at"]),
        parse_rfc3339(form["at"]),
        form["by"],
        form["note"],
    )


MUTE_FORM = {
    "id": is_unicode, "targets": Each(list, is_unicode), "events": Each(list, is_unicode), "created_at": is_time,
    "until": is_time, "reason": is_unicode, "by": is_unicode, "ended_at": Nullable(is_time),
    "ended_by": Nullable(is_unicode),
}  # fmt: skip
ACKNOWLEDGEMENT_FORM = {
    "incident": is_unicode, "subject": is_unicode, "opened_at": is_time, "at": is_time, "by": is_unicode,
    "note": Nullable(is_unicode),
}  # fmt: skip
"""The forms; other keys are allowed in a store, since a later version may add some."""
