"""Targets with their history, and the daemon, as JSON. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from watcher import __version__
from watcher.core.by_hand import NOTHING_BY_HAND, ByHand, HandMute
from watcher.core.deliveries import DeliveryRecord
from watcher.core.event_links import console_page
from watcher.core.events import Event, target_to_json
from watcher.core.incidents import open_to_json
from watcher.core.links import links, repository_name
from watcher.core.model import Revision, Target, rfc3339
from watcher.core.mutes import Mute
from watcher.core.settings import Config
from watcher.core.state import Outage, Record
from watcher.core.state_json import attempt_to_json, blocker_to_json
from watcher.core.status import active, outage_of, reason_of, reported, stalled, standing
from watcher.delivery.explain import explain
from watcher.messages.connections import connection_note
from watcher.observability.daemon_view import DaemonView, TargetStatus
from watcher.util.redaction import redact, redacted_excerpt

MAX_NOTE_BYTES = 500
"""The length of AWS's text about a failure or a blocker."""


def committed_row(
    target: Target, record: Record | None, endpoint: Record | None, hand: ByHand = NOTHING_BY_HAND
) -> dict[str, Any]:
    """The part of a target's row that only a commit, or an acknowledgement, changes."""
    known = record.known if record else None
    attempt = known.attempt if known else None
    blockers = record.blockers if record else ()
    revision = (attempt.target_revision if attempt else None) or {}
    facts = {**(target.found or {}), **dict(target.identity)}
    status, since = reported(record)
    note = connection_note(status or "") if record and record.connection else reason_of(attempt, blockers)
    return {
        **fields(target, "id", "account", "region", "name", "title", "interval"),
        "kind": target.kind.name,
        "labels": dict(target.labels),
        "discovered": target.discovered,
        "status": status,
        "standing": standing(record, endpoint).value,
        "since": time_or_none(since),
        "started_at": rfc3339(attempt.started_at) if attempt else None,
        "stalled": stalled(known),
        "blocked": bool(blockers),
        "unreadable": _unreadable(record, endpoint),
        "incident": open_to_json(record, hand),
        "consecutive_failures": known.failures if known else 0,
        "sha": attempt.sha or None if attempt else None,
        "commit_url": links(revision)[1],
        "synced": _commit(known.latest_successful.target_revision if known and known.latest_successful else None),
        "desired": _commit(known.desired_state if known else None),
        "console_url": console_page(target_to_json(target)),
        "repository": repository_name(revision) or facts.get("repository"),
        "branch": revision.get("branch") or facts.get("branch"),
        "note": redacted_excerpt(note, MAX_NOTE_BYTES),
        "active": active(known),
    }


def _commit(revision: Revision | None) -> dict[str, Any] | None:
    """A commit and its page; None: the revision has no commit."""
    sha = (revision or {}).get("sha")
    return {"sha": sha, "url": links(revision or {})[1]} if sha else None


def polling_row(status: TargetStatus) -> dict[str, Any]:
    """The part of a target's row that every poll changes."""
    return {
        "answered_at": time_or_none(status.answered),
        "tried_at": time_or_none(status.tried),
        "next_poll_at": time_or_none(status.next_poll),
        "poll_failures": status.failures,
        "polled_here": status.polled_here,
    }


def muted_view(mute: Mute | HandMute) -> dict[str, Any]:
    """Who muted something, why, and until when."""
    return {
        "id": mute.id,
        "by": mute.by and redact(mute.by),
        "reason": mute.reason and redact(mute.reason),
        "until": time_or_none(mute.until),
    }


def target_view(target: Target, record: Record | None) -> dict[str, Any]:
    """The fields of `/api/targets/<id>` besides the row and the history."""
    known = record.known if record else None
    successful = known.latest_successful if known else None
    return {
        "target": target_to_json(target),
        "attempt": attempt_to_json(known.attempt) if known and known.attempt else None,
        "blockers": [blocker_to_json(blocker) for blocker in (record.blockers if record else ())],
        "desired_state": dict(known.desired_state) if known and known.desired_state is not None else None,
        "latest_successful": attempt_to_json(successful) if successful else None,
        "sequence": record.sequence if record else 0,
        "watching": fields(target, "interval", "active_interval", "stalled_after", "timeout"),
    }


def explained(
    number: int, event: Event, deliveries: Sequence[DeliveryRecord], config: Config, hand: ByHand
) -> dict[str, Any]:
    """A recorded event and what became of it at each sink; `deliveries`: those of this event."""
    return {
        "number": number,
        "event": json.loads(event.body),
        "sinks": [
            {
                "sink": each.sink,
                "state": each.state,
                "why": redact(each.why),
                "tries": each.delivery.tries if each.delivery else 0,
                "reminder": each.delivery.reminder if each.delivery else 0,
            }
            for each in explain(event, deliveries, config, hand)
        ],
    }


def status_view(
    daemon: DaemonView, counts: Mapping[str, int], stuck: Sequence[str], unready: Sequence[str]
) -> dict[str, Any]:
    """`/api/status`. `counts`: targets by status; `stuck`, `unready`: why the daemon is not live, or not ready."""
    config, loaded = daemon.config, daemon.loaded
    return {
        "version": __version__,
        "now": rfc3339(daemon.clock.now()),
        "started_at": rfc3339(daemon.started),
        "watcher": {
            "live": not stuck,
            "ready": not unready,
            "reasons": [*dict.fromkeys(map(redact, (*stuck, *unready)))],
        },
        "config": {
            "place": config.place,
            "loaded_at": rfc3339(loaded.at),
            "kept_at": time_or_none(loaded.kept_at),
            "tried_at": rfc3339(loaded.tried),
            "faults": [*map(redact, loaded.faults)],
            "restart_for": [*loaded.restart_for],
            **fields(loaded, "successes", "failures"),
        },
        "counts": dict(counts),
        "targets": len(config.targets),
        "writable": config.http is not None and config.http.write_token is not None,
    }


def fields(value: object, *names: str) -> dict[str, Any]:
    """Attributes as a mapping."""
    return {name: getattr(value, name) for name in names}


def time_or_none(moment: datetime | None) -> str | None:
    """A time in JSON."""
    return None if moment is None else rfc3339(moment)


def _unreadable(record: Record | None, endpoint: Record | None) -> dict[str, Any] | None:
    outage = outage_of(record, endpoint)
    if outage is None:
        return None
    own = record is not None and outage is record.outage
    return {"whose": "target" if own else "endpoint", **outage_view(outage)}


def outage_view(outage: Outage) -> dict[str, Any]:
    """An outage in JSON."""
    return {
        **fields(outage, "code", "attempts"),
        "message": redact(outage.message),
        "since": rfc3339(outage.since),
    }
