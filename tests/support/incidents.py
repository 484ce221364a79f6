"""Events of incidents, and receivers that keep alerts as their vendors document it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft202012Validator

from tests.integration.receiver import Received, Reply, json_reply
from tests.support.event_samples import NETWORK, attempt, outage, sync
from tests.unit.conftest import minute
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.events import Event

INCIDENT = "5f1c2e"
LINKS = {"page": "https://watcher.example.com/#network", "commit": "https://github.com/example-org/x/commit/62c0f1e"}


def within(
    event: Event, state: str, *problems: str, id_: str = INCIDENT, seconds: float | None = None, **data: Any
) -> Event:
    """The event as one of an incident that was opened a minute after eight."""
    form = json.loads(event.body)
    form["data"] |= data | {
        "incident": {
            "id": id_,
            "state": state,
            "opened_at": rfc3339(minute(1)),
            "problems": list(problems),
            "duration_seconds": seconds,
        }
    }
    return event._replace(body=json.dumps(form))


FAILED_EVENT = within(sync(target=NETWORK), "opened", "failed", links=LINKS)
FAILED_AGAIN = within(
    sync(attempt(FAILED, "Still wrong", number=5), target=NETWORK, after=6, consecutive_failures=2), "ongoing", "failed"
)
RETRIED = within(sync(attempt(IN_PROGRESS, number=7), target=NETWORK, after=7), "ongoing", "failed")
MENDED = within(
    sync(attempt(SUCCEEDED, number=9), target=NETWORK, after=10, recovered=True), "resolved", "failed", seconds=540.0
)
UNREADABLE = within(outage(NETWORK), "opened", "unreadable")
READABLE = within(outage(NETWORK, over=True), "resolved", "unreadable", seconds=5100.0)

_TEXT = {"type": "string", "minLength": 1}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


def _text(longest: int) -> dict[str, Any]:
    return {**_TEXT, "maxLength": longest}


_KEY = {"type": "string", "minLength": 32, "maxLength": 32}
_LINK = _object("href", href={**_TEXT, "pattern": "^https?://"}, text=_TEXT)
_TIME = {"type": "string", "format": "date-time"}
_PAYLOAD = {
    "summary": _text(1024),
    "source": _TEXT,
    "timestamp": _TIME,
    "custom_details": {"type": "object"},
}
_ENQUEUE = {
    "routing_key": _KEY,
    "dedup_key": _text(255),
    "client": _TEXT,
    "client_url": _LINK["properties"]["href"],
    "links": {"type": "array", "items": _LINK},
}
_TRIGGER = _object(
    "routing_key event_action payload",
    **_ENQUEUE,
    event_action={"const": "trigger"},
    payload=_object(
        "summary severity source",
        **_PAYLOAD,
        severity={"enum": ["critical", "error", "warning", "info"]},
        component=_TEXT,
        group=_TEXT,
        **{"class": _TEXT},
    ),
)
_FOLLOW_UP = _object(
    "routing_key event_action dedup_key", **_ENQUEUE, event_action={"enum": ["acknowledge", "resolve"]}
)
PAGERDUTY_EVENT = Draft202012Validator({"anyOf": [_TRIGGER, _FOLLOW_UP]})
"""The body of an event, by the OpenAPI description and the documented limits of PagerDuty's Events API v2."""
PAGERDUTY_CHANGE = Draft202012Validator(
    _object("routing_key payload", routing_key=_KEY, links=_ENQUEUE["links"], payload=_object("summary", **_PAYLOAD))
)


@dataclass
class PagerDuty:
    """PagerDuty's Events API v2: the open alerts by key, and how often each was opened."""

    key: str = "R0" * 16
    open: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """The triggers of each alert, by its key."""
    resolved: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    changes: list[Mapping[str, Any]] = field(default_factory=list)

    def answer(self, request: Received) -> Reply:
        """Take one request as PagerDuty documents it."""
        form = json.loads(request.body)
        rules = {"/v2/enqueue": PAGERDUTY_EVENT, "/v2/change/enqueue": PAGERDUTY_CHANGE}.get(request.path)
        if rules is None or request.method != "POST":
            return Reply(404)
        if wrong := [error.message for error in rules.iter_errors(form)]:
            return json_reply(400, status="invalid event", message="Event object is invalid", errors=wrong)
        if request.path == "/v2/change/enqueue":
            self.changes.append(form)
            return json_reply(202, status="success", message="Change event processed")
        key = form["dedup_key"]
        if form["event_action"] == "trigger":
            if key not in self.open:
                self.opened.append(key)
            self.open.setdefault(key, []).append(form)
        elif self.open.pop(key, None):
            self.resolved.append(key)
        return json_reply(202, status="success", message="Event processed", dedup_key=key)


_ALERT = _object(
    "message alias",
    message=_text(130),
    alias=_text(512),
    description=_text(15000),
    entity=_text(512),
    source=_text(100),
    user=_text(100),
    note=_text(25000),
    priority={"enum": ["P1", "P2", "P3", "P4", "P5"]},
    tags={"type": "array", "maxItems": 20, "items": _text(50)},
    details={"type": "object", "additionalProperties": {"type": "string"}},
)
_ACTION = {"source": _text(100), "user": _text(100), "note": _text(25000)}
JSM_BODIES = {
    "create": Draft202012Validator(_ALERT),
    "notes": Draft202012Validator(_object("note", **_ACTION)),
    "close": Draft202012Validator(_object("", **_ACTION)),
}
"""The bodies of requests, by the OpenAPI description and the documented limits of the alert API."""


@dataclass
class Jsm:
    """The alert API of Jira Service Management, below the path `base`: alerts by their alias."""

    base: str = ""
    key: str = "a1b2c3d4-e5f6-7890"
    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Actions on alerts that do not exist: accepted, and found wrong when they are processed."""

    def answer(self, request: Received) -> Reply:
        """Take one request as Atlassian documents it: what is valid is accepted, and processed later."""
        if request.headers.get("Authorization") != f"GenieKey {self.key}":
            return json_reply(403, message="Could not authenticate", took=0.001)
        url = urlsplit(request.path)
        parts = url.path.removeprefix(f"{self.base}/v2/alerts").split("/")
        action = parts[-1] if len(parts) == 3 else "create"
        if action not in JSM_BODIES or (len(parts) == 3 and parse_qs(url.query) != {"identifierType": ["alias"]}):
            return json_reply(404, message="No such resource", took=0.001)
        form = json.loads(request.body)
        if wrong := [error.message for error in JSM_BODIES[action].iter_errors(form)]:
            return json_reply(422, message="Request body is not processable", errors=wrong, took=0.001)
        self._process(action, unquote(parts[1]) if len(parts) == 3 else form["alias"], form)
        return json_reply(202, result="Request will be processed", took=0.01, requestId="43a29c5c-3dbf-4fa4-9c26")

    def _process(self, action: str, alias: str, form: dict[str, Any]) -> None:
        if action == "create":
            alert = self.open.setdefault(alias, {**form, "count": 0, "notes": []})
            alert["count"] += 1
            return
        alert = self.open.get(alias, {})
        if not alert:
            self.failed.append(action)
            return
        if "note" in form:
            alert["notes"].append(form["note"])
        if action == "close":
            self.closed.append(self.open.pop(alias))
