"""`jsm`: one alert for each subject, by the alert API of Jira Service Management, which is also Opsgenie's.

Creating an alert whose alias is open counts one more occurrence of that alert. The API accepts a request before it
processes it: a note or a close for an alias without an alert has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from watcher.config.fields import Secret
from watcher.messages.alert import Alert, alert_for
from watcher.messages.sanitize import one_line
from watcher.sinks.alerts import OUTSIDE, AlertOptions, AlertSink, Step, alert_key, is_error, step_of
from watcher.sinks.http import BaseUrl, HttpOptions, Post

MAX_KEY, MAX_MESSAGE, MAX_DESCRIPTION, MAX_DETAILS, MAX_ENTITY, MAX_NOTE = 512, 130, 15_000, 8_000, 512, 25_000
"""Characters that the API accepts of an alias, a message, a description, all details, an entity and a note."""

SOURCE = {"source": "watcher"}


def posts(event: Mapping[str, Any], now: datetime) -> Sequence[Post] | str:
    """Return the posts for an event, or why there are none."""
    step = step_of(event)
    if step is Step.OUTSIDE:
        return OUTSIDE
    alert = alert_for(event, now)
    alias = alert_key(event["subject"], MAX_KEY)
    path = f"/v2/alerts/{quote(alias, safe='')}/{{}}?identifierType=alias"
    text = {**SOURCE, "note": f"{alert.title}\n\n{alert.text}"[:MAX_NOTE]}
    note, close = Post(path.format("notes"), text), Post(path.format("close"), text)
    if step is Step.TEST:
        return [_create(event, alert, alias, "P5"), close]
    if step is Step.PROGRESS:
        return [note]
    if step is Step.END:
        return [close]
    create = _create(event, alert, alias, "P2" if is_error(event) else "P3")
    first = event["data"]["incident"]["state"] == "opened" and "reminder" not in event
    return [create] if first else [create, note]


def _create(event: Mapping[str, Any], alert: Alert, alias: str, priority: str) -> Post:
    links = "".join(f"\n{name}: {url}" for name, url in alert.links.items() if url not in alert.text)
    body = {
        **SOURCE,
        "message": one_line(alert.headline, MAX_MESSAGE),
        "alias": alias,
        "description": f"{alert.text}{links}"[:MAX_DESCRIPTION],
        "details": _fitting(alert.details),
        "entity": event["subject"][:MAX_ENTITY],
        "priority": priority,
    }
    return Post("/v2/alerts", body)


def _fitting(details: Mapping[str, str]) -> dict[str, str]:
    """Return the first details that fit."""
    room, kept = MAX_DETAILS, {}
    for name, text in details.items():
        room -= len(name) + len(text)
        if room < 0:
            break
        kept[name] = text
    return kept


class JsmSink(AlertSink):
    """Creates and closes the alerts of one integration."""

    def __init__(self, options: JsmOptions) -> None:
        key = options.api_key.get_secret_value()
        super().__init__(options, posts, key, {"Authorization": f"GenieKey {key}"})


class JsmOptions(HttpOptions, AlertOptions):
    """Alerts in Jira Service Management or Opsgenie, opened, updated and closed."""

    sink: ClassVar = JsmSink

    type: Literal["jsm"]
    api_key: Secret = Field(examples=["${JSM_API_KEY}"])
    """The API key of an API integration. A secret: take it from a variable."""
    url: BaseUrl = Field(
        default="https://api.atlassian.com/jsm/ops/integration",
        examples=["https://api.opsgenie.com", "https://api.eu.opsgenie.com"],
    )
    """The URL of the API, without /v2/alerts; another one for Opsgenie."""
