"""A sample of each type of event, made by the functions that make real ones, to check templates with. Pure."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.core.attempts import SeenAttempt
from watcher.core.blockers import BlockerChange
from watcher.core.connections import AVAILABLE, ERROR, PENDING, ConnectionChange
from watcher.core.diff import Change, Reason
from watcher.core.digest import Period, digest_data
from watcher.core.events import (
    Event,
    connection_event,
    digest_event,
    discovery_event,
    outage_event,
    removal_event,
    target_to_json,
    trial_event,
)
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.model import (
    ACTIVE,
    FAILED,
    IN_PROGRESS,
    INITIATED,
    QUEUED,
    RESOLVED,
    SUCCEEDED,
    Attempt,
    Blocker,
    EndpointKey,
    Target,
    extended,
    path_segment,
)
from watcher.core.mutes import Mute
from watcher.core.settings import Config, Retry
from watcher.core.state import Incident, Known, Outage, Record
from watcher.core.sync_events import blocker_event, sync_event
from watcher.sources.codeconnections import connection, stack
from watcher.sources.proton import template

WEB = template("prod", "eu-west-1", "SERVICE", "web", "2", labels={"team": "storefront"})
NETWORK = stack("default", "us-east-1", "network")
FOUND_STACK = stack(
    "prod",
    "eu-west-1",
    "shop",
    found={"repository": "example-org/infrastructure", "branch": "main", "config_file": "shop.yaml"},
)
GITHUB = connection(
    "default",
    "us-east-1",
    "arn:aws:codeconnections:us-east-1:111122223333:connection/6053346f-8a33-4edb-9397-10394b695173",
    name="github",
    provider="GitHub",
    status=PENDING,
)
ENDPOINT = EndpointKey("prod", "eu-west-1", "codeconnections")

_UNKNOWN = "ROLLED_BACK"
_STARTED = datetime(2026, 11, 23, 8, tzinfo=UTC)
SAMPLES_NOW = _STARTED + timedelta(days=1)
"""The time at which messages for the samples are composed."""

_PROTON = {"repositoryProvider": "GITHUB", "repositoryName": "example-org/platform-templates"}
_CODECONNECTIONS = {"providerType": "GitHub", "ownerId": "example-org", "repositoryName": "infrastructure"}
_OLD, _NEW = "1f0c9d2b7a6e5d4c3b2a19f8e7d6c5b4a3928170", "62c0f1e9a4b8d7c6e5f4a3b2c1d0e9f8a7b6c5d4"


def samples() -> tuple[dict[str, Any], ...]:
    """Return the samples as CloudEvents: every type, for a template and for a stack, and a reminder."""
    synced = [
        _sync(target, status, reason)
        for target in (WEB, NETWORK)
        for status in (INITIATED, IN_PROGRESS, QUEUED, SUCCEEDED, FAILED, _UNKNOWN)
        for reason in (Reason.STATUS, Reason.FIRST_SEEN)
    ]
    stalled = [_sync(target, IN_PROGRESS, Reason.STALLED) for target in (WEB, NETWORK)]
    blocker = Blocker(
        "0e4fa6a1-6b6b-4a8b-9c5c-3d2f9a1e7b40", "AUTOMATED", ACTIVE,
        "The deployment file names a template that is missing.", _after(20), {"pull-request": "42"},
    )  # fmt: skip
    resolved = replace(blocker, status=RESOLVED, resolved_reason="The template was added.", resolved_at=_after(600))
    known = Known(Attempt(_STARTED, FAILED, "network", None, _CODECONNECTIONS | {"sha": _NEW}), _STARTED)
    blocked = [
        blocker_event(NETWORK, change, known, sequence=8, now=_after(630))
        for change in (BlockerChange("sync.blocked", blocker), BlockerChange("sync.unblocked", resolved))
    ]
    outage = Outage(_STARTED, "AccessDeniedException", "User is not authorized to perform: GetResourceSyncStatus", 3)
    outages = [
        outage_event(subject, outage, sequence=8, now=_after(600), over=over, targets=40)
        for subject in (WEB, NETWORK, ENDPOINT)
        for over in (False, True)
    ]
    discoveries = [
        discovery_event(FOUND_STACK, removed=removed, times=1, sequence=1, now=_after(0)) for removed in (False, True)
    ]
    removals = [removal_event(subject, "7" * 32, sequence=9, now=_after(3600)) for subject in (NETWORK, ENDPOINT)]
    changes = (
        ConnectionChange("connection.unavailable", PENDING, None, 1),
        ConnectionChange("connection.unavailable", ERROR, AVAILABLE, 1),
        ConnectionChange("connection.available", AVAILABLE, PENDING, 1),
    )
    connections = [connection_event(GITHUB, each, sequence=2, now=_after(0)) for each in changes]
    digests = [digest_event(_digest(well=well), [], due=_after(0), sequence=1, now=_after(1)) for well in (True, False)]
    trial = trial_event("ops", _after(0))
    made = (*synced, *stalled, *blocked, *outages, *discoveries, *removals, *connections, *digests, trial)
    reminder = extended(_sync(WEB, FAILED, Reason.STATUS).body, reminder=2)
    return tuple(json.loads(body) for body in (*(event.body for event in made), reminder))


def sample_of(event_type: str, subject: Target | EndpointKey) -> dict[str, Any]:
    """Return the sample of a type, as if it were about `subject`: of its kind, if there is a sample of that."""
    of_type = [each for each in samples() if each["type"] == event_type]
    if isinstance(subject, EndpointKey):
        sample, name = of_type[0], str(subject)
        data = sample["data"] | {"endpoint": sample["data"]["endpoint"] | asdict(subject)}
    else:
        same_kind = (each for each in of_type if each["data"]["target"]["kind"] == subject.kind.name)
        sample, name = next(same_kind, of_type[0]), subject.id
        data = sample["data"] | {"target": target_to_json(subject)}
    source = f"/watcher/{path_segment(subject.account)}/{path_segment(subject.region)}"
    return sample | {"source": source, "subject": name, "data": data}


def _sync(target: Any, status: str, reason: Reason) -> Event:
    where = {**(_PROTON if target is WEB else _CODECONNECTIONS), "branch": "main", "directory": f"/{target.name}"}
    old, new = where | {"sha": _OLD}, where | {"sha": _NEW}
    texts = ["Sync started", *(["Failed to parse schema.yaml: line 14"] if status == FAILED else [])]
    lines = tuple(
        {"type": status, "event": text, "time": f"2026-11-23T08:00:{12 * number:02}Z"}
        for number, text in enumerate(texts, start=1)
    )
    attempt = Attempt(_STARTED, status, target.name, old, new, lines)
    before = Attempt(_after(-86400), SUCCEEDED, target.name, old, old)
    first = reason is Reason.FIRST_SEEN
    what = "stalled" if reason is Reason.STALLED else "unknown" if status == _UNKNOWN else status.lower()
    change = Change(
        reason=reason,
        type=f"sync.{what}",
        attempt=attempt,
        previous=None if first else before,
        times=1,
        consecutive_failures=2 if status == FAILED else 0,
        recovered=status == SUCCEEDED and not first,
        desired_state=None if first else new,
        latest_successful=None if first else before,
    )
    now = _after(1860 if reason is Reason.STALLED else 30)
    return sync_event(target, change, sequence=7, now=now)


def _digest(*, well: bool) -> dict[str, Any]:
    began = _after(-86400)
    period = Period(_after(-7 * 86400))
    period.add(AttemptRow(NETWORK.id, SeenAttempt(began, SUCCEEDED if well else FAILED)))
    config = Config("", {}, (WEB, NETWORK), Retry(), 3, (), "memory://", None, 1.0, 1.0)
    mutes: list[Mute] = []
    records = {each.id: Record(Known(Attempt(began, SUCCEEDED, None, None, None), began)) for each in config.targets}
    if not well:
        period.add(IncidentRow(WEB.id, "7" * 32, began, _after(-80000)))
        mutes.append(Mute(("*/stack/nightly-*",), until=_after(3600), reason="planned maintenance"))
        failed = Known(Attempt(began, FAILED, None, None, None), began)
        records[NETWORK.id] = Record(failed, incident=Incident("7" * 32, began, ("failed",)))
    return digest_data(config, records, period, mutes, due=_after(0), now=_after(1))


def _after(seconds: float) -> datetime:
    return _STARTED + timedelta(seconds=seconds)
