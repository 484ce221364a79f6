"""Events for the tests of messages: one of each type, made by the functions that make real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.unit.conftest import a_blocker, an_attempt, minute
from watcher.core.attempts import SeenAttempt
from watcher.core.blockers import BlockerChange
from watcher.core.connections import AVAILABLE, ERROR, PENDING, ConnectionChange
from watcher.core.diff import Change, Reason
from watcher.core.digest import Period, digest_data
from watcher.core.events import (
    connection_event,
    digest_event,
    discovery_event,
    outage_event,
    removal_event,
    trial_event,
)
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED, EndpointKey, extended
from watcher.core.mutes import Mute
from watcher.core.settings import Config, Retry
from watcher.core.stamps import stamped
from watcher.core.state import Incident, Known, Outage, Record
from watcher.core.sync_events import blocker_event, sync_event
from watcher.messages import compose
from watcher.sources import codeconnections, proton
from watcher.sources.codeconnections import connection, stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watcher.core.events import Event
    from watcher.core.model import Attempt, Target
    from watcher.messages.message import Message

WEB = template("prod", "eu-west-1", "SERVICE", "web", "2", labels={"team": "storefront"})
NETWORK = stack("default", "us-east-1", "network")
INSTANCE = proton.SERVICE_INSTANCE.target("prod", "eu-west-1", {"service": "shop", "name": "shop-prod"})
LINKED = codeconnections.REPOSITORY.target(
    "prod", "eu-west-1", {"link": "6053346f-8a33-4edb-9397-10394b695173", "branch": "main"}
)
TEMPLATES = proton.REPOSITORY.target(
    "prod",
    "eu-west-1",
    {
        "provider": "GITHUB",
        "name": "example-org/platform-templates",
        "branch": "main",
        "sync_type": "TEMPLATE_SYNC",
    },
)
FOUND = stack(
    "prod",
    "eu-west-1",
    "shop",
    labels={"team": "storefront"},
    found={"repository": "example-org/infrastructure", "branch": "main", "config_file": "shop.yaml"},
)
ENDPOINT = EndpointKey("prod", "eu-west-1", "codeconnections")
CONNECTION_ARN = "arn:aws:codeconnections:eu-west-1:111122223333:connection/6053346f-8a33-4edb-9397-10394b695173"
SHA = "62c0f1e9a4b8d7c6e5f4a3b2c1d0e9f8a7b6c5d4"
HOSTILE = "\x00\x01 \ud800 \uffff \U0001f4a5 <b>&amp; \u2028 'quoted' \\ \x7f"
"""A text that XML, JSON and HTML each escape differently, with characters that XML forbids."""
DENIED = Outage(minute(0), "AccessDeniedException", "User is not authorized to perform: GetResourceSyncStatus", 3)


def revision(sha: str = SHA, **altered: str) -> dict[str, str]:
    return {
        "repositoryProvider": "GITHUB",
        "repositoryName": "example-org/platform-templates",
        "branch": "main",
        "directory": "/web/v2",
        "sha": sha,
    } | altered


def attempt(status: str = FAILED, *said: str, number: float = 0, **altered: str) -> Attempt:
    lines = tuple(
        {"type": status, "event": text, "time": f"2026-11-23T08:00:{9 * index:02}Z"}
        for index, text in enumerate(said, start=1)
    )
    return replace(an_attempt(number, status), target_revision=revision(**altered), events=lines)


def sync(
    made: Attempt | None = None, *, target: Target = WEB, kind: str | None = None, after: float = 1, **altered: Any
) -> Event:
    """The event of an attempt, seen so many minutes after eight."""
    made = made or attempt(FAILED, "Sync started", "Failed to parse schema.yaml: line 14")
    change = Change(
        reason=Reason.NEW_ATTEMPT,
        type=kind or f"sync.{made.status.lower()}",
        attempt=made,
        previous=an_attempt(-60),
        times=1,
        consecutive_failures=1 if made.status == FAILED else 0,
        recovered=False,
        desired_state=revision(),
        latest_successful=an_attempt(-60),
    )
    return sync_event(target, replace(change, **altered), sequence=7, now=minute(after))


def sync_of_repository(target: Target, status: str, *said: str) -> Event:
    """The event of a repository's attempt, of which AWS reports no revisions."""
    made = replace(attempt(status, *said), target=None, initial_revision=None, target_revision=None)
    return sync(made, target=target, desired_state=None, latest_successful=None)


def muted(event: Event, reason: str | None, until: datetime | None) -> Event:
    """The event as it is recorded while a mute applies."""
    return stamped(event, mute=Mute(reason=reason, until=until))


FAILED_STATE = Known(attempt(FAILED, "Sync started", "Sync failed"), minute(1), revision(), an_attempt(-60), failures=1)


def outage(subject: Target | EndpointKey, *, over: bool = False, **altered: Any) -> Event:
    now = minute(95 if over else 10)
    return outage_event(subject, replace(DENIED, **altered), sequence=8, now=now, over=over, targets=40)


def blocker(
    id_: str = "0e4fa6a1-6b6b-4a8b-9c5c-3d2f9a1e7b40",
    *,
    target: Target = NETWORK,
    over: bool = False,
    state: Known = FAILED_STATE,
    **altered: Any,
) -> Event:
    """The event of a blocker that began two minutes after eight."""
    found = replace(a_blocker(id_, created_reason="The deployment file names no template."), **altered)
    change = BlockerChange("sync.unblocked" if over else "sync.blocked", found)
    return blocker_event(target, change, state, sequence=8, now=minute(60 if over else 3))


def connection_change(status: str, previous: str | None = None) -> Event:
    """The event of a connection that took a status."""
    found = connection(
        "prod", "eu-west-1", CONNECTION_ARN, name="github", provider="GitHubEnterpriseServer", status=status,
        host="arn:aws:codeconnections:eu-west-1:111122223333:host/ghes-1a2b3c4d",
    )  # fmt: skip
    word = "available" if status == AVAILABLE else "unavailable"
    change = ConnectionChange(f"connection.{word}", status, previous, 1)
    return connection_event(found, change, sequence=2, now=minute(10))


def trial() -> Event:
    event = trial_event("ops", minute(0))
    return event._replace(id="0" * 32, body=event.body.replace(event.id, "0" * 32))


def reminder(event: Event, count: int) -> Event:
    return event._replace(body=extended(event.body, reminder=count))


def failures(count: int) -> list[Event]:
    """What one commit did to many templates."""
    targets = [template("prod", "eu-west-1", "SERVICE", f"service-{number}", "1") for number in range(count)]
    return [sync(attempt(FAILED, "Sync started", f"No schema for {target.name}"), target=target) for target in targets]


def alike(count: int) -> list[Event]:
    """What one fault did to stacks of several repositories."""
    targets = [stack("default", "us-east-1", f"stack-{number}") for number in range(count)]
    text = "Access to the repository was denied (request 6053346f-8a33-4edb-9397-10394b69517{})"
    return [
        sync(attempt(FAILED, "Sync started", text.format(number), sha=f"{number}" * 40), target=target)
        for number, target in enumerate(targets)
    ]


def message_of(events: Sequence[dict[str, Any]]) -> Message:
    """The message as of noon."""
    return compose.message_for(events, minute(240))


def bodies(*events: Event) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in events]


def digest(*, open_: int) -> Event:
    """A digest of the week, with so many open incidents, as it is recorded."""
    stacks = [stack("prod", "eu-west-1", f"stack-{number}") for number in range(30)]
    config = Config("", {}, (NETWORK, WEB, *stacks), Retry(), 3, (), "memory://", None, 1.0, 1.0)
    period, mutes = Period(minute(-7 * 1440)), list[Mute]()
    for number, target in enumerate((NETWORK, *stacks[: 3 * open_])):
        period.add(AttemptRow(target.id, SeenAttempt(minute(number), FAILED if open_ else SUCCEEDED)))
    if open_:
        period.add(AttemptRow(NETWORK.id, SeenAttempt(minute(50), FAILED)))
        period.add(IncidentRow(WEB.id, "7" * 32, minute(0), minute(45)))
        period.add(IncidentRow(stacks[0].id, "8" * 32, minute(0), minute(20), removed=True))
        mutes = [Mute(("*/stack/nightly-*",), ("watcher.sync.*",), until=minute(600), reason="planned maintenance")]
    subjects = [str(ENDPOINT), *(target.id for target in stacks)][:open_]
    incidents = {
        each: Incident("7" * 32, minute(number), ("failed" if number else "unreadable",))
        for number, each in enumerate(subjects)
    }
    known = {target.id: Known(an_attempt(0), minute(1)) for target in config.targets}
    known |= dict.fromkeys(incidents.keys() & known.keys(), FAILED_STATE)
    records = {each: Record(known.get(each), incident=incidents.get(each)) for each in known.keys() | incidents.keys()}
    data = digest_data(config, records, period, mutes, due=minute(60), now=minute(60))
    made = digest_event(data, map(str, config.endpoints), due=minute(60), sequence=3, now=minute(60))
    return stamped(made, public_url="https://watcher.example.com")


EVENTS: dict[str, list[Event]] = {
    "sync.initiated": [sync(attempt(INITIATED))],
    "sync.in_progress": [
        sync(attempt(IN_PROGRESS, "Sync started"), reason=Reason.STATUS, previous=attempt(INITIATED), after=0.2)
    ],
    "sync.queued": [sync_of_repository(LINKED, QUEUED)],
    "sync.failed-repository": [sync_of_repository(TEMPLATES, FAILED, "Sync started", "The repository was not found")],
    "sync.failed-service-instance": [sync(attempt(FAILED, "Sync started", "Invalid spec"), target=INSTANCE)],
    "sync.succeeded": [sync(attempt(SUCCEEDED, "Sync started", "Registered web:2.7"))],
    "sync.succeeded-recovered": [sync(attempt(SUCCEEDED, "Registered web:2.7"), recovered=True)],
    "sync.succeeded-between-two-polls": [sync(attempt(SUCCEEDED), reason=Reason.MISSED_SUCCESS)],
    "sync.failed": [sync()],
    "sync.failed-again": [
        sync(
            attempt(FAILED, *(f"Step {number}" for number in range(1, 6)), "Failed to parse schema.yaml: line 14"),
            consecutive_failures=3,
            latest_successful=an_attempt(-60 * 52),
        )
    ],
    "sync.failed-first-seen": [
        sync(
            replace(
                attempt(FAILED, "Requires capabilities : [CAPABILITY_NAMED_IAM]"),
                target_revision={
                    "providerType": "GitHubEnterpriseServer",
                    "ownerId": "example-org",
                    "repositoryName": "infrastructure",
                    "branch": "main",
                    "directory": "network.yaml",
                    "sha": SHA,
                },
            ),
            target=NETWORK,
            reason=Reason.FIRST_SEEN,
            previous=None,
            latest_successful=None,
        )
    ],
    "sync.failed-recreated": [sync(reason=Reason.RECREATED)],
    "sync.failed-reminder": [reminder(sync(), 2)],
    "sync.failed-group": failures(23),
    "sync.unknown": [sync(attempt("ROLLED_BACK", "Something new"), kind="sync.unknown")],
    "sync.stalled": [
        sync(attempt(IN_PROGRESS, "Sync started"), kind="sync.stalled", reason=Reason.STALLED, after=31.5)
    ],
    "sync.blocked": [blocker()],
    "sync.blocked-never-synced": [
        blocker(state=Known(None, minute(1)), created_reason=None, created_at=None, contexts={})
    ],
    "sync.blocked-service-instance": [blocker(target=INSTANCE)],
    "sync.blocked-reminder": [reminder(blocker(), 1)],
    "sync.blocked-group": [
        blocker(f"b-{number}", target=stack("default", "us-east-1", f"stack-{number}")) for number in range(3)
    ],
    "sync.unblocked": [
        blocker(over=True, status="RESOLVED", resolved_reason="The template was added.", resolved_at=minute(58))
    ],
    "sync.unblocked-no-longer-listed": [blocker(over=True)],
    "target.unreadable": [outage(NETWORK, code="ResourceNotFoundException", message="No such stack: network")],
    "target.readable": [outage(NETWORK, over=True, code="ResourceNotFoundException", message="No such stack")],
    "sync.failed-group-alike": alike(4),
    "endpoint.unreadable-reminder": [reminder(outage(ENDPOINT), 2)],
    "sync.stalled-reminder": [
        reminder(sync(attempt(IN_PROGRESS), kind="sync.stalled", reason=Reason.STALLED, after=31.5), 1)
    ],
    "sync.stalled-group": [
        sync(
            attempt(IN_PROGRESS, f"Step {number}"),
            target=target,
            kind="sync.stalled",
            reason=Reason.STALLED,
            after=31.5,
        )
        for number, target in enumerate((WEB, NETWORK))
    ],
    "target.unreadable-group": [outage(target) for target in (WEB, NETWORK)],
    "connection.unavailable": [connection_change(PENDING)],
    "connection.unavailable-error": [connection_change(ERROR, AVAILABLE)],
    "connection.available": [connection_change(AVAILABLE, PENDING)],
    "endpoint.unreadable": [outage(ENDPOINT)],
    "endpoint.readable": [outage(ENDPOINT, over=True)],
    "target.discovered": [discovery_event(FOUND, removed=False, times=1, sequence=1, now=minute(1))],
    "target.discovered-group": [
        discovery_event(target, removed=False, times=1, sequence=1, now=minute(1)) for target in (FOUND, NETWORK)
    ],
    "target.removed": [discovery_event(FOUND, removed=True, times=1, sequence=9, now=minute(60))],
    "endpoint.removed": [removal_event(ENDPOINT, "7" * 32, sequence=9, now=minute(95))],
    "digest": [digest(open_=2)],
    "digest-many": [digest(open_=30)],
    "digest-well": [digest(open_=0)],
    "test": [trial()],
}
"""What each snapshot is of: one event, or a group."""
