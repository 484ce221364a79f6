"""The alerts of Alertmanager's API v2: what an event says of an incident, and when the alert ends. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from watcher.core.deliveries import Delivery
from watcher.core.model import rfc3339
from watcher.messages.alert import alert_for
from watcher.sinks.alerts import Step, step_of

VALID_RESENDS = 3
"""An alert ends by itself after so many `resend`s without a further post."""

TEST_SECONDS = 60.0
"""How long the alert of `test-sink` lasts."""

_NAMES = {"failed": "WatcherSyncFailed", "stalled": "WatcherSyncStalled", "blocked": "WatcherSyncBlocked"}
"""`alertname` by the problem with which an incident began; of another one, the name has the kind of its subject."""


def alert_of(delivery: Delivery, now: datetime, resend: float) -> dict[str, Any]:
    """Return the alert that a delivery opens, updates or ends, as it is posted at `now`.

    `delivery`: of an event of an incident, with the one that opened the incident if that is known, or of a test;
    `resend`: the seconds until an open alert is posted again.
    """
    event = json.loads(delivery.body)
    shown = alert_for(event, now)
    annotations = {"summary": shown.title, "description": shown.text}
    if links := "\n".join(f"{name}: {url}" for name, url in shown.links.items()):
        annotations["links"] = links
    step = step_of(event)
    if step is Step.TEST:
        subject = event["subject"]
        labels = {"alertname": "WatcherTest", "target": subject, "kind": "test", "incident": event["id"]}
        since, until = event["time"], rfc3339(now + timedelta(seconds=TEST_SECONDS))
    else:
        incident = event["data"]["incident"]
        annotations["problems"] = ", ".join(incident["problems"])
        opening = event if delivery.opening is None else json.loads(delivery.opening.body)
        labels, since = labels_of(opening), incident["opened_at"]
        until = event["time"] if step is Step.END else rfc3339(now + timedelta(seconds=VALID_RESENDS * resend))
    home = {"generatorURL": shown.home} if shown.home else {}
    return {"labels": labels, "annotations": annotations, "startsAt": since, "endsAt": until, **home}


def labels_of(opening: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of an incident's alert, by the event that opened the incident.

    A label of the target whose name is not one of Prometheus's has `_` in place of each other character; one whose
    name is taken begins with `exported_`, as in Prometheus.
    """
    data = opening["data"]
    where = data.get("target") or data["endpoint"]
    incident = data["incident"]
    kind, problem = where.get("kind", "endpoint"), incident["problems"][0]
    of = {"endpoint": "Endpoint", "connection": "Connection"}.get(kind, "Target")
    labels = {
        "alertname": _NAMES.get(problem, f"Watcher{of}{problem.capitalize()}"),
        "target": opening["subject"],
        "kind": kind,
        "account": where["account"],
        "region": where["region"],
        "incident": incident["id"],
    }
    for name, value in sorted((where.get("labels") or {}).items()):
        written = re.sub(r"[^A-Za-z0-9_]|^(?=[0-9])", "_", name)
        labels.setdefault(f"exported_{written}" if written in labels else written, value)
    return labels
