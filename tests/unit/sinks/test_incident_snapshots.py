"""What people read of an incident, step by step, at each sink: `snapshots/SINK.txt`.

Rewrite them with WRITE_SNAPSHOTS=1 in the environment, and read the difference: each message must say what happened,
where, since when, and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.event_samples import ENDPOINT, FOUND, attempt, blocker, outage, reminder, sync
from tests.unit.conftest import minute
from tests.unit.messages.test_snapshots import is_as_kept
from watcher.core.deliveries import Delivery
from watcher.core.events import Event
from watcher.core.incidents import steps
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, parse_rfc3339
from watcher.core.stamps import stamped
from watcher.messages.alert import links_of
from watcher.messages.blocks import slack_payload
from watcher.messages.card import card
from watcher.messages.compose import message_for
from watcher.messages.plain import plain
from watcher.sinks import jsm, pagerduty
from watcher.sinks.alertmanager_alerts import alert_of
from watcher.sinks.commit_status import status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from watcher.sinks.commit_status import CommitStatus
    from watcher.sinks.http import Post

SNAPSHOTS = Path(__file__).parent / "snapshots"
PUBLIC_URL = "https://watcher.example.com"

STORIES: Mapping[str, Sequence[Event]] = {
    "a stack whose sync fails, fails again, and succeeds": (
        sync(attempt(FAILED, "Sync started", "Failed to parse shop.yaml: line 14"), target=FOUND),
        blocker(target=FOUND),
        sync(attempt(FAILED, "Parameter Size is missing", number=20), target=FOUND, after=21, consecutive_failures=2),
        sync(attempt(IN_PROGRESS, number=59), target=FOUND, after=59.1),
        blocker(target=FOUND, over=True),
        sync(attempt(SUCCEEDED, number=59), target=FOUND, after=61, recovered=True),
    ),
    "an endpoint that cannot be read": (outage(ENDPOINT), outage(ENDPOINT, over=True)),
}


def incident(events: Sequence[Event]) -> Iterator[Event]:
    """The events as they are recorded, and a reminder of the first problem."""
    following = steps(None, events, labels={}, blocked=False)
    for number, (event, step) in enumerate(zip(events, following, strict=True)):
        made = stamped(event, incident=step, public_url=PUBLIC_URL)
        yield made
        if not number:
            yield reminder(made, 1)


def texts(part: Any) -> Iterator[str]:
    """What is read of blocks or of a card."""
    if isinstance(part, dict):
        for key, each in part.items():
            if isinstance(each, str) and key in ("text", "title", "value", "url"):
                yield each
            else:
                yield from texts(each)
    elif isinstance(part, list):
        for each in part:
            yield from texts(each)


Shown = Callable[[dict[str, Any], dict[str, Any], datetime], str]
"""What a sink sends of an event (a CloudEvent), with the one that opened its incident, at a time."""


def mail(event: dict[str, Any], _: dict[str, Any], now: datetime) -> str:
    text = plain(message_for([event], now))
    return f"{text.title}\n\n{text.body}"


def slack(event: dict[str, Any], _: dict[str, Any], now: datetime) -> str:
    return "\n".join(texts(slack_payload(message_for([event], now))))


def teams(event: dict[str, Any], _: dict[str, Any], now: datetime) -> str:
    message = message_for([event], now)
    return "\n".join(texts(card(message, links_of(event, message.facts))))


def posted(posts: Sequence[Post] | str) -> str:
    return posts if isinstance(posts, str) else "\n".join(f"{post.path}\n{as_text(post.body)}" for post in posts)


def as_text(form: Any) -> str:
    return json.dumps(form, indent=1, ensure_ascii=False)


SINKS: dict[str, Shown] = {
    "mail": mail,
    "slack": slack,
    "teams": teams,
    "pagerduty": lambda event, _, now: posted(pagerduty.posts(event, now, routing_key="R0", changes=False)),
    "jsm": lambda event, _, now: posted(jsm.posts(event, now)),
    "alertmanager": lambda event, opening, now: as_text(
        alert_of(Delivery(1, "am", as_event(event), opening=as_event(opening)), now, 60.0)
    ),
    "github": lambda event, _, now: commit_status(status_of(event, now, frozenset({"GITHUB"}))),
}


def as_event(event: dict[str, Any]) -> Event:
    return Event(event["id"], event["type"], event["subject"], event["time"], json.dumps(event))


def commit_status(status: CommitStatus | str) -> str:
    return status if isinstance(status, str) else f"{status.state}: {status.description}\n{status.link}"


@pytest.mark.parametrize("sink", SINKS)
def test_what_a_sink_shows_of_an_incident_equals_its_snapshot(sink: str) -> None:
    lines: list[str] = []
    for story, events in STORIES.items():
        recorded = [json.loads(event.body) for event in incident(events)]
        lines.append(f"# {story}\n")
        for event in recorded:
            again = event.get("reminder")
            now = minute(240) if again else parse_rfc3339(event["time"])
            about = f", reminder {again}" if again else f", {event['data']['incident']['state']}"
            lines.append(f"## {event['time']} {event['type'].removeprefix('watcher.')}{about}\n")
            lines.append(SINKS[sink](event, recorded[0], now) + "\n")
    assert is_as_kept(SNAPSHOTS / f"{sink}.txt", "\n".join(lines))
