"""How an answer becomes a Snapshot, or is refused because it is not what the API promises. Pure.

Both services answer with one shape and differ in how they spell its members; contract, section 5, rule 6.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.errors import EndpointUnreadable, TargetUnreadable
from watcher.model import Attempt, Snapshot, rfc3339
from watcher.redact import redact

if TYPE_CHECKING:
    from watcher.model import Revision, SyncEvent

CODE = "MalformedAnswer"

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


def body_of(content: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object in an answer's body.

    Raises:
        EndpointUnreadable: it is none. Whatever answered is not the API, or was cut off: this says nothing of a target.
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        kind = content_type.partition(";")[0].strip() or "no content type"
        raise EndpointUnreadable(
            CODE, f"the answer is not whole JSON ({len(content)} bytes, {kind})", passing=True
        ) from None
    if not isinstance(answer, dict):
        raise EndpointUnreadable(CODE, "the answer is JSON, but no object", passing=True)
    return answer


def snapshot_of(answer: dict[str, Any], spelling: Spelling) -> Snapshot:
    """The answer's meaning.

    Raises:
        TargetUnreadable: a required member is missing, or a member is of another type than the API promises.
    """
    latest = answer.get(spelling.latest_sync)
    successful = answer.get(spelling.latest_successful_sync)
    desired = answer.get(spelling.desired_state)
    try:
        return Snapshot(
            desired_state=None if desired is None else _revision(desired, spelling),
            latest=None if latest is None else _attempt(latest, spelling),
            latest_successful=None if successful is None else _attempt(successful, spelling),
        )
    except KeyError as error:
        raise TargetUnreadable(CODE, f"the answer lacks the required member {error}") from None
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise TargetUnreadable(CODE, f"the answer is not what the API promises: {error}") from None


def _attempt(form: Any, spelling: Spelling) -> Attempt:
    _must_be(form, dict, "an attempt")
    events = form[spelling.events]
    _must_be(events, list, spelling.events)
    return Attempt(
        started_at=_moment(form[spelling.started_at]),
        status=_text(form, spelling.status),
        target=_text(form, spelling.target),
        initial_revision=_revision(form[spelling.initial_revision], spelling),
        target_revision=_revision(form[spelling.target_revision], spelling),
        events=tuple(_event(event, spelling) for event in events),
    )


def _revision(form: Any, spelling: Spelling) -> Revision:
    _must_be(form, dict, "a revision")
    return {name: _text(form, spelt) for spelt, name in spelling.revision}


def _event(form: Any, spelling: Spelling) -> SyncEvent:
    _must_be(form, dict, "a sync event")
    event = {
        "type": _text(form, spelling.type),
        # Free text of AWS's: whatever it repeats of a secret ends here (contract, section 3).
        "event": redact(_text(form, spelling.event)),
        "time": rfc3339(_moment(form[spelling.time])),
    }
    if form.get(spelling.external_id) is not None:
        event["externalId"] = _text(form, spelling.external_id)
    return event


def _text(form: dict[str, Any], member: str) -> str:
    text = form[member]
    if not isinstance(text, str):
        raise TypeError(f"{member} is no text")
    return text


def _moment(value: Any) -> datetime:
    """Epoch seconds, as AWS JSON writes times, or ISO 8601, as it may."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        if not _ISO.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is no time")
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise TypeError("a time is neither a number nor text")


def _must_be(form: Any, wanted: type, what: str) -> None:
    if not isinstance(form, wanted):
        raise TypeError(f"{what} is no {'list' if wanted is list else 'structure'}")
