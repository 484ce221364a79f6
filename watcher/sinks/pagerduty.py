"""`pagerduty`: one alert for each subject, by PagerDuty's Events API v2.

A trigger opens the alert of its key, or is added to the one that is open; a resolve ends it. PagerDuty also accepts a
resolve of a key without an alert, which has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from watcher.config.fields import Boolean, Secret
from watcher.messages.alert import Alert, alert_for
from watcher.messages.sanitize import one_line
from watcher.sinks.alerts import OUTSIDE, PROGRESS, AlertOptions, AlertSink, Step, alert_key, is_error, step_of
from watcher.sinks.http import BaseUrl, HttpOptions, Post

MAX_KEY, MAX_SUMMARY = 255, 1024
"""Characters that PagerDuty accepts of a deduplication key and of a summary."""

SUCCESS = "watcher.sync.succeeded"
"""The type of the events that are also change events, with `changes`."""


def posts(event: Mapping[str, Any], now: datetime, *, routing_key: str, changes: bool) -> Sequence[Post] | str:
    """Return the posts for an event, or why there are none. `changes`: each success is a change event."""
    alert, changed = alert_for(event, now), changes and event["type"] == SUCCESS
    request = {"routing_key": routing_key, "dedup_key": alert_key(event["subject"], MAX_KEY)}
    resolve = Post("/v2/enqueue", {**request, "event_action": "resolve"})
    change = [Post("/v2/change/enqueue", {"routing_key": routing_key, **_change(event, alert)})] if changed else []
    match step_of(event):
        case Step.PROBLEM:
            severity = "error" if is_error(event) else "warning"
            return [Post("/v2/enqueue", request | _trigger(event, alert, severity))]
        case Step.TEST:
            return [Post("/v2/enqueue", request | _trigger(event, alert, "info")), resolve]
        case Step.END:
            return [resolve, *change]
        case Step.PROGRESS:
            return change or PROGRESS
        case Step.OUTSIDE:
            return change or OUTSIDE


def _trigger(event: Mapping[str, Any], alert: Alert, severity: str) -> dict[str, Any]:
    data = event["data"]
    where = data.get("target") or data.get("endpoint") or {}
    payload = {
        "summary": one_line(alert.headline, MAX_SUMMARY),
        "source": event["subject"],
        "severity": severity,
        "timestamp": event["time"],
        "component": where.get("kind") or where.get("api"),
        "group": "/".join(where[key] for key in ("account", "region") if key in where),
        "class": event["type"],
        "custom_details": {**alert.details},
    }
    return {
        "event_action": "trigger",
        "client": "watcher",
        **({"client_url": alert.home} if alert.home else {}),
        "links": _links(alert),
        "payload": {key: value for key, value in payload.items() if value},
    }


def _change(event: Mapping[str, Any], alert: Alert) -> dict[str, Any]:
    payload = {
        "summary": alert.title,
        "source": event["subject"],
        "timestamp": event["time"],
        "custom_details": {**alert.details},
    }
    return {"payload": payload, "links": _links(alert)}


def _links(alert: Alert) -> list[dict[str, str]]:
    return [{"href": url, "text": name} for name, url in alert.links.items()]


class PagerDutySink(AlertSink):
    """Triggers and resolves the alerts of one integration."""

    def __init__(self, options: PagerDutyOptions) -> None:
        key = options.routing_key.get_secret_value()
        super().__init__(options, partial(posts, routing_key=key, changes=options.changes), key)


class PagerDutyOptions(HttpOptions, AlertOptions):
    """Alerts in PagerDuty, opened, updated and resolved."""

    sink: ClassVar = PagerDutySink

    type: Literal["pagerduty"]
    routing_key: Secret = Field(examples=["${PAGERDUTY_KEY}"])
    """The integration key of an Events API v2 integration. A secret: take it from a variable."""
    changes: Boolean = False
    """Also send each successful sync as a change event, which sends no notification."""
    url: BaseUrl = Field(default="https://events.pagerduty.com", examples=["https://events.eu.pagerduty.com"])
    """The URL of the API, without its path."""
