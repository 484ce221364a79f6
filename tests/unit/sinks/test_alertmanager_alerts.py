"""The labels of an alert, which must not change while its incident lasts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.event_samples import ENDPOINT, NETWORK, blocker, outage, sync
from tests.support.incidents import within
from tests.unit.conftest import minute
from watcher.core.deliveries import Delivery
from watcher.sinks.alertmanager_alerts import alert_of, labels_of

if TYPE_CHECKING:
    from watcher.core.events import Event


def labels(event: Event) -> dict[str, str]:
    return labels_of(json.loads(event.body))


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (within(sync(), "opened", "failed"), "WatcherSyncFailed"),
        (within(sync(), "opened", "stalled"), "WatcherSyncStalled"),
        (within(blocker(), "opened", "blocked"), "WatcherSyncBlocked"),
        (within(outage(NETWORK), "opened", "unreadable"), "WatcherTargetUnreadable"),
        (within(outage(ENDPOINT), "opened", "unreadable"), "WatcherEndpointUnreadable"),
    ],
)
def test_the_name_of_an_alert_is_the_problem_that_opened_its_incident(event: Event, name: str) -> None:
    assert labels(event)["alertname"] == name


def test_an_endpoint_is_a_kind_of_its_own() -> None:
    found = labels(within(outage(ENDPOINT), "opened", "unreadable", id_="e"))
    del found["alertname"]
    assert found == {
        "target": "prod/eu-west-1/codeconnections",
        "kind": "endpoint",
        "account": "prod",
        "region": "eu-west-1",
        "incident": "e",
    }


def test_labels_of_the_target_get_names_that_prometheus_allows_and_replace_none() -> None:
    own: dict[str, Any] = {"cost-center": "4", "2nd": "b", "kind": "c", "team": "d", "a/b": "e"}
    event = within(sync(target=replace(NETWORK, labels=own)), "opened", "failed")
    found = labels(event)
    assert found["kind"] == "stack"
    assert {name: found[name] for name in ("cost_center", "_2nd", "exported_kind", "team", "a_b")} == {
        "cost_center": "4", "_2nd": "b", "exported_kind": "c", "team": "d", "a_b": "e",
    }  # fmt: skip


def test_an_alert_whose_opening_is_no_longer_known_has_the_labels_of_its_event() -> None:
    event = within(sync(), "ongoing", "failed", "stalled")
    alert = alert_of(Delivery(1, "am", event), minute(9), 60.0)
    assert alert["labels"] == labels(event)
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-23T08:01:00Z", "2026-11-23T08:12:00Z")
    assert alert["annotations"]["problems"] == "failed, stalled"
