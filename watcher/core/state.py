"""What is known of a target or an endpoint from one poll to the next, and its JSON form in the store. Pure.

The form has a version, and is the same in every store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watcher.core.model import Attempt, Revision, parse_rfc3339, rfc3339
from watcher.util.shapes import NONE, Each, Optional, check, parse

FORM = 1
"""The version of the stored form; it is increased by a change that earlier versions cannot read."""


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
class Record:
    """The stored state of one subject: a target, or an endpoint (whose `known` stays None)."""

    known: Known | None = None
    sequence: int = 0
    """The sequence number of its last event."""
    outage: Outage | None = None


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """Return `attempt` with the API's fields in camelCase and its times in UTC."""
    return {
        "startedAt": rfc3339(attempt.started_at),
        "status": attempt.status,
        "target": attempt.target,
        "initialRevision": _revision_to_json(attempt.initial_revision),
        "targetRevision": _revision_to_json(attempt.target_revision),
        "events": [dict(event) for event in attempt.events],
    }


def attempt_from_json(form: dict[str, Any]) -> Attempt:
    """Return the attempt that `attempt_to_json` wrote."""
    return Attempt(
        started_at=parse_rfc3339(form["startedAt"]),
        status=form["status"],
        target=form["target"],
        initial_revision=form["initialRevision"],
        target_revision=form["targetRevision"],
        events=tuple(form["events"]),
    )


def dump(record: Record) -> str:
    """Return `record` as the text that a store keeps."""
    known, outage = record.known, record.outage
    form = {
        "form": FORM,
        "sequence": record.sequence,
        "known": None if known is None else _known_to_json(known),
        "outage": None
        if outage is None
        else {
            "since": rfc3339(outage.since),
            "code": outage.code,
            "message": outage.message,
            "attempts": outage.attempts,
        },
    }
    return json.dumps(form, separators=(",", ":"))


def load(text: str, subject: str = "") -> Record:
    """Return the record that `dump` wrote; messages name `subject`.

    Raises:
        ValueError: the text is not a state, or has a form that this version does not know.
    """
    name = f"the state of {subject}" if subject else "state"
    form = parse(text, {}, name)
    if form.get("form") != FORM:
        raise ValueError(f"{name} of form {form.get('form')!r}, where this version knows {FORM}")
    check(form, _RECORD, name)
    try:
        outage = form["outage"]
        return Record(
            known=None if form["known"] is None else _known_from_json(form["known"]),
            sequence=form["sequence"],
            outage=None if outage is None else Outage(**{**outage, "since": parse_rfc3339(outage["since"])}),
        )
    except (KeyError, OverflowError, TypeError) as error:
        raise ValueError(f"{name} is not a state: {error!r}") from error


def _known_to_json(known: Known) -> dict[str, Any]:
    return {
        "attempt": None if known.attempt is None else attempt_to_json(known.attempt),
        "since": rfc3339(known.since),
        "desired_state": _revision_to_json(known.desired_state),
        "latest_successful": None if known.latest_successful is None else attempt_to_json(known.latest_successful),
        "missing": known.missing,
        "failures": known.failures,
        "last_failure": _time_to_json(known.last_failure),
        "last_success": _time_to_json(known.last_success),
        "stalled": _time_to_json(known.stalled),
        "has_stalled": known.has_stalled,
        "older": _time_to_json(known.older),
        "older_answers": known.older_answers,
        "taken": [[rfc3339(taken.started_at), taken.status, taken.times] for taken in known.taken],
    }


def _known_from_json(form: dict[str, Any]) -> Known:
    attempt, successful = form["attempt"], form["latest_successful"]
    return Known(
        attempt=None if attempt is None else attempt_from_json(attempt),
        since=parse_rfc3339(form["since"]),
        desired_state=form["desired_state"],
        latest_successful=None if successful is None else attempt_from_json(successful),
        missing=form["missing"],
        failures=form["failures"],
        last_failure=_time_from_json(form["last_failure"]),
        last_success=_time_from_json(form["last_success"]),
        stalled=_time_from_json(form["stalled"]),
        has_stalled=form.get("has_stalled", False),  # added to form 1 later
        older=_time_from_json(form["older"]),
        older_answers=form["older_answers"],
        taken=tuple(Taken(parse_rfc3339(at), str(status), int(times)) for at, status, times in form["taken"]),
    )


def _revision_to_json(revision: Revision | None) -> dict[str, str | None] | None:
    return None if revision is None else dict(revision)


def _time_to_json(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _time_from_json(text: str | None) -> datetime | None:
    return None if text is None else parse_rfc3339(text)


_REVISION = Optional(Each(dict, (str, NONE)))
_ATTEMPT = {
    "startedAt": str, "status": str, "target": (str, NONE), "initialRevision": _REVISION, "targetRevision": _REVISION,
    "events": Each(list, Each(dict, (str, NONE))),
}  # fmt: skip
_KNOWN = {
    "attempt": Optional(_ATTEMPT), "since": str, "desired_state": _REVISION, "latest_successful": Optional(_ATTEMPT),
    "missing": bool, "failures": int, "last_failure": (str, NONE), "last_success": (str, NONE), "stalled": (str, NONE),
    "older": (str, NONE), "older_answers": int, "taken": Each(list, list),
}  # fmt: skip
_RECORD = {
    "sequence": int, "known": Optional(_KNOWN),
    "outage": Optional({"since": str, "code": str, "message": str, "attempts": int}),
}  # fmt: skip
"""The form of a stored state; other keys are allowed, since a later version may add some."""
