"""Alerts in a real Alertmanager: they stay while an incident lasts, keep their labels, and end with it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tests.integration.posting_sinks import REACH
from tests.integration.receiver import Receiver, Reply
from tests.integration.receiver import receiving as receiver_of
from tests.support.alertmanager import MISSING, PROGRAM, Alertmanager, receiving
from tests.support.event_samples import ENDPOINT, outage, sync, trial
from tests.support.incidents import FAILED_AGAIN, FAILED_EVENT, INCIDENT, LINKS, MENDED, RETRIED, within
from tests.support.waiting import PATIENCE, until
from watcher.core.deliveries import Delivery, Verdict
from watcher.errors import SinkError
from watcher.sinks.alertmanager import AlertmanagerOptions, AlertmanagerSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from watcher.core.events import Event

real = pytest.mark.skipif(not PROGRAM, reason=MISSING)
LABELS = {
    "alertname": "WatcherSyncFailed",
    "target": "default/us-east-1/stack/network",
    "kind": "stack",
    "account": "default",
    "region": "us-east-1",
    "incident": INCIDENT,
}


@asynccontextmanager
async def sink_to(*urls: str, **keys: Any) -> AsyncIterator[AlertmanagerSink]:
    options = {**REACH, "timeout": 10.0, "resend": 60.0, "headers": {}, **keys}
    made = AlertmanagerOptions.model_construct(name="am", urls=[*urls], **options)
    sink = AlertmanagerSink(made)
    try:
        yield sink
    finally:
        await sink.close()


def delivery(event: Event, opening: Event | None = FAILED_EVENT) -> Delivery:
    return Delivery(1, "am", event, opening=None if event is opening else opening)


async def send(sink: AlertmanagerSink, event: Event, opening: Event | None = FAILED_EVENT) -> Verdict:
    (outcome,) = await sink.send([delivery(event, opening)])
    return outcome.verdict


@real
async def test_an_incident_is_one_alert_with_the_labels_of_its_opening_until_it_ends(tmp_path: Path) -> None:
    relabelled = json.loads(FAILED_AGAIN.body)
    relabelled["data"]["target"]["labels"] = {"team": "other"}
    async with receiving() as (notices, hook):
        manager = Alertmanager(tmp_path, hook)
        async with manager.running(), sink_to(manager.url) as sink:
            assert await send(sink, FAILED_EVENT) is Verdict.TAKEN
            (alert,) = await manager.alerts()
            assert (alert["labels"], alert["startsAt"]) == (LABELS, "2026-11-23T08:01:00.000Z")
            assert alert["annotations"]["summary"] == "FAILED: stack network (us-east-1)"
            assert alert["generatorURL"] == LINKS["page"]
            await until(lambda: ("WatcherSyncFailed", "firing") in notices)
            assert await send(sink, FAILED_AGAIN._replace(body=json.dumps(relabelled))) is Verdict.TAKEN
            (again,) = await manager.alerts()
            assert again["fingerprint"] == alert["fingerprint"]
            assert "Still wrong" in again["annotations"]["description"]
            assert await send(sink, MENDED) is Verdict.TAKEN
            assert await manager.alerts() == []
            await until(lambda: ("WatcherSyncFailed", "resolved") in notices)


@real
async def test_an_open_alert_lasts_as_long_as_it_is_repeated_and_no_repetition_follows_its_end(tmp_path: Path) -> None:
    async with receiving() as (notices, hook):
        manager = Alertmanager(tmp_path, hook)
        async with manager.running(), sink_to(manager.url, resend=1.0) as sink:
            await send(sink, FAILED_EVENT)
            await until(lambda: ("WatcherSyncFailed", "firing") in notices)
            for _ in range(5):  # longer than it lasts by itself, which is three seconds
                await asyncio.sleep(1)
                await sink.resend([delivery(FAILED_AGAIN)])
            assert notices == [("WatcherSyncFailed", "firing")]
            await send(sink, MENDED)
            await sink.resend([delivery(FAILED_AGAIN)])
            assert await manager.alerts() == []


@real
async def test_an_alert_that_is_not_repeated_ends_by_itself(tmp_path: Path) -> None:
    async with receiving() as (notices, hook):
        manager = Alertmanager(tmp_path, hook)
        async with manager.running(), sink_to(manager.url, resend=1.0) as sink:
            await send(sink, FAILED_EVENT)
            await until(lambda: ("WatcherSyncFailed", "resolved") in notices)


@real
async def test_each_member_of_a_cluster_gets_what_it_missed(tmp_path: Path) -> None:
    async with receiving() as (_, hook):
        one, other = Alertmanager(tmp_path, hook), Alertmanager(tmp_path, hook)
        async with one.running(), sink_to(one.url, other.url) as sink:
            assert await send(sink, FAILED_EVENT) is Verdict.TAKEN
            async with other.running():
                await sink.resend([delivery(FAILED_EVENT)])
                assert [alert["labels"] for alert in await other.alerts()] == [LABELS]
            # It forgets its alerts with a restart, and misses the end.
            async with other.running():
                await sink.resend([delivery(FAILED_EVENT)])
                assert len(await other.alerts()) == 1
        async with other.running(), sink_to(one.url, other.url) as sink:
            await send(sink, FAILED_EVENT)
            assert len(await other.alerts()) == 1
            await send(sink, MENDED)
            assert await other.alerts() == []


@real
async def test_a_member_that_missed_the_end_gets_it_with_the_next_repetition(tmp_path: Path) -> None:
    async with receiving() as (_, hook), receiver_of() as flaky:
        manager = Alertmanager(tmp_path, hook)
        async with manager.running(), sink_to(flaky.url(""), manager.url) as sink:
            await send(sink, FAILED_EVENT)
            flaky.script.append(Reply(500))
            assert await send(sink, MENDED) is Verdict.TAKEN
            await sink.resend([])
    ends = [json.loads(request.body)[0]["endsAt"] for request in flaky.received[1:]]
    assert ends == 2 * ["2026-11-23T08:10:00Z"]


async def test_an_incident_that_is_opened_anew_is_repeated_and_its_earlier_end_is_not() -> None:
    async with receiver_of() as receiver, sink_to(receiver.url("")) as sink:
        for event in (FAILED_EVENT, MENDED, FAILED_EVENT):
            await send(sink, event)
        await sink.resend([delivery(FAILED_EVENT)])
    opened, _, again, repeated = [json.loads(request.body)[0] for request in receiver.received]
    assert opened["labels"] == again["labels"] == repeated["labels"] == LABELS
    assert repeated["endsAt"] >= again["endsAt"] > repeated["startsAt"]


@real
async def test_alertmanagers_own_rules_group_and_inhibit_them(tmp_path: Path) -> None:
    """A failed endpoint makes the alerts of its targets superfluous."""
    inhibit = {
        "source_matchers": ["kind=endpoint"],
        "target_matchers": ["kind=stack"],
        "equal": ["account", "region"],
    }
    endpoint = replace(ENDPOINT, account="default", region="us-east-1")
    blind = within(outage(endpoint), "opened", "unreadable", id_="e1")
    async with receiving() as (_, hook):
        manager = Alertmanager(tmp_path, hook, inhibit_rules=[inhibit])
        async with manager.running(), sink_to(manager.url) as sink:
            await send(sink, FAILED_EVENT)
            await send(sink, blind, None)
            states: dict[str, str] = {}
            async with asyncio.timeout(PATIENCE):
                while states.get("WatcherSyncFailed", "unprocessed") == "unprocessed":
                    await asyncio.sleep(0.1)
                    states = {each["labels"]["alertname"]: each["status"]["state"] for each in await manager.alerts()}
    assert states == {"WatcherSyncFailed": "suppressed", "WatcherEndpointUnreadable": "active"}


@real
async def test_the_test_event_is_an_alert_that_ends_within_a_minute(tmp_path: Path) -> None:
    async with receiving() as (_, hook):
        manager = Alertmanager(tmp_path, hook)
        async with manager.running(), sink_to(manager.url) as sink:
            assert await send(sink, trial()) is Verdict.TAKEN
            (alert,) = await manager.alerts()
    assert (alert["labels"]["alertname"], alert["labels"]["target"]) == ("WatcherTest", "test/ops")


@pytest.mark.parametrize("event", [sync(), RETRIED])
async def test_what_is_neither_a_problem_of_an_incident_nor_its_end_is_not_sent(event: Event) -> None:
    async with receiver_of() as receiver, sink_to(receiver.url("")) as sink:
        (outcome,) = await sink.send([delivery(event)])
        assert (receiver.received, outcome.verdict) == ([], Verdict.TAKEN)
        assert outcome.text.startswith("not sent: ")


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((200, 200), Verdict.TAKEN),
        ((200, 500), Verdict.TAKEN),
        ((400, 200), Verdict.TAKEN),
        ((400, 500), Verdict.LATER),
        ((400, 400), Verdict.NEVER),
        ((404, 401), Verdict.LATER),
    ],
)
async def test_an_event_is_delivered_when_one_member_accepted_it(statuses: tuple[int, int], verdict: Verdict) -> None:
    async with receiver_of(Reply(statuses[0])) as one, receiver_of(Reply(statuses[1])) as other:
        async with sink_to(one.url(""), other.url("")) as sink:
            (outcome,) = await sink.send([delivery(FAILED_EVENT)])
        assert len(one.received) == len(other.received) == 1
    assert outcome.verdict is verdict
    assert all(str(status) in outcome.text for status in statuses)


async def test_a_repetition_that_is_refused_keeps_none_of_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.sinks.alertmanager.MAX_ALERTS", 1)
    async with receiver_of(Reply(400)) as receiver, sink_to(receiver.url("")) as sink:
        with pytest.raises(SinkError, match="400"):
            await sink.resend([delivery(FAILED_EVENT), delivery(FAILED_AGAIN)])
    assert len(receiver.received) == 2


async def test_the_sink_is_down_when_no_member_can_be_reached() -> None:
    nobody = Receiver()
    await nobody.start()
    await nobody.stop()
    async with sink_to(nobody.url("")) as sink:
        with pytest.raises(SinkError, match="no connection"):
            await sink.send([delivery(FAILED_EVENT)])
        with pytest.raises(SinkError, match="no connection"):
            await sink.resend([delivery(FAILED_EVENT)])


async def test_headers_are_sent_and_not_shown() -> None:
    headers = {"Authorization": SecretStr("Bearer a-secret-token")}
    async with (
        receiver_of(Reply(401, body=b"no a-secret-token here")) as receiver,
        sink_to(receiver.url("/prefix"), headers=headers) as sink,
    ):
        (outcome,) = await sink.send([delivery(FAILED_EVENT)])
    (request,) = receiver.received
    assert (request.path, request.headers["Authorization"]) == ("/prefix/api/v2/alerts", "Bearer a-secret-token")
    assert "a-secret-token" not in outcome.text
