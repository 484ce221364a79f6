"""PagerDuty's alerts over real HTTP, against a receiver that keeps them as PagerDuty documents it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tests.integration.posting_sinks import Sending, sending
from tests.integration.receiver import Cut, Reply
from tests.support.event_samples import ENDPOINT, attempt, outage, sync, trial
from tests.support.incidents import (
    FAILED_AGAIN,
    FAILED_EVENT,
    LINKS,
    MENDED,
    RETRIED,
    UNREADABLE,
    PagerDuty,
    within,
)
from watcher.core.deliveries import Verdict
from watcher.core.model import SUCCEEDED
from watcher.errors import SinkError
from watcher.sinks.pagerduty import PagerDutyOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "watcher:default/us-east-1/stack/network"


@asynccontextmanager
async def to(service: PagerDuty, *script: Reply, **keys: Any) -> AsyncIterator[Sending]:
    options = {"routing_key": SecretStr(service.key), "changes": False, **keys}
    async with sending(PagerDutyOptions, service.answer, *script, **options) as made:
        yield made


async def test_an_incident_is_one_alert_that_is_opened_updated_and_resolved() -> None:
    service = PagerDuty()
    async with to(service) as pager:
        outcome = await pager.send(FAILED_EVENT)
        assert (outcome.verdict, "Event processed" in outcome.text) == (Verdict.TAKEN, True)
        assert list(service.open) == [KEY]
        await pager.send(FAILED_AGAIN)
        await pager.send(FAILED_EVENT, reminder=1)
        assert len(service.open[KEY]) == 3
        await pager.send(MENDED)
    assert (service.open, service.opened, service.resolved) == ({}, [KEY], [KEY])


async def test_an_alert_says_what_is_wrong_and_where_to_look() -> None:
    service = PagerDuty()
    async with to(service) as pager:
        await pager.send(FAILED_EVENT)
    (trigger,) = service.open[KEY]
    assert trigger["client_url"] == LINKS["page"]
    assert [link["href"] for link in trigger["links"]][:2] == [LINKS["page"], LINKS["commit"]]
    payload = trigger["payload"]
    details = payload.pop("custom_details")
    assert payload == {
        "summary": "FAILED: stack network (us-east-1): Failed to parse schema.yaml: line 14",
        "source": "default/us-east-1/stack/network",
        "severity": "error",
        "timestamp": "2026-11-23T08:01:00Z",
        "component": "stack",
        "group": "default/us-east-1",
        "class": "watcher.sync.failed",
    }
    assert details["Error"] == "Failed to parse schema.yaml: line 14"
    assert "Failed to parse schema.yaml: line 14" in details["Last sync events (UTC)"]


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        (FAILED_EVENT, "error"),
        (UNREADABLE, "warning"),
        (within(outage(ENDPOINT), "opened", "unreadable"), "error"),
        (within(outage(ENDPOINT), "ongoing", "failed", "unreadable"), "error"),
    ],
)
async def test_the_severity_says_whether_something_does_not_work_or_may_still_work(event: Any, severity: str) -> None:
    service = PagerDuty()
    async with to(service) as pager:
        await pager.send(event)
    ((trigger,),) = service.open.values()
    assert trigger["payload"]["severity"] == severity


@pytest.mark.parametrize("event", [sync(), RETRIED])
async def test_what_is_neither_a_problem_of_an_incident_nor_its_end_is_not_sent(event: Any) -> None:
    async with to(PagerDuty()) as pager:
        outcome = await pager.send(event)
        assert pager.receiver.received == []
    assert outcome.verdict is Verdict.TAKEN
    assert outcome.text.startswith("not sent: ")


async def test_a_success_is_a_change_event_if_asked_for_also_outside_an_incident() -> None:
    service, success = PagerDuty(), sync(attempt(SUCCEEDED, "Registered web:2.7"))
    async with to(service, changes=True) as pager:
        await pager.send(success)
        await pager.send(sync())
        await pager.send(FAILED_EVENT)
        await pager.send(MENDED)
    assert [change["payload"]["source"] for change in service.changes] == [success.subject, MENDED.subject]
    assert service.resolved == [KEY]


async def test_a_resolve_whose_trigger_was_lost_has_no_effect() -> None:
    service = PagerDuty()
    async with to(service) as pager:
        outcome = await pager.send(MENDED)
    assert (outcome.verdict, service.open, service.opened) == (Verdict.TAKEN, {}, [])


async def test_a_repeat_after_a_lost_response_opens_nothing_twice() -> None:
    service = PagerDuty()
    async with to(service) as pager:
        await pager.send(FAILED_EVENT)
        pager.receiver.script.append(Reply(cut=Cut.AFTER))
        assert (await pager.send(FAILED_EVENT)).verdict is Verdict.LATER
        assert (await pager.send(FAILED_EVENT)).verdict is Verdict.TAKEN
        assert (await pager.send(MENDED)).verdict is Verdict.TAKEN
        assert (await pager.send(MENDED)).verdict is Verdict.TAKEN
    assert (service.open, service.opened, service.resolved) == ({}, [KEY], [KEY])


@pytest.mark.parametrize(
    ("status", "verdict"), [(400, Verdict.NEVER), (429, Verdict.LATER), (500, Verdict.LATER), (503, Verdict.LATER)]
)
async def test_what_pagerduty_answers_decides(status: int, verdict: Verdict) -> None:
    async with to(PagerDuty(), Reply(status, body=b'{"status":"a reason"}')) as pager:
        outcome = await pager.send(FAILED_EVENT)
    assert outcome.verdict is verdict
    assert "a reason" in outcome.text


async def test_pagerduty_may_say_when_to_try_again() -> None:
    async with to(PagerDuty(), Reply(429, {"Retry-After": "30"})) as pager:
        with pytest.raises(SinkError) as caught:
            await pager.send(FAILED_EVENT)
    assert caught.value.retry_after == 30


async def test_a_key_that_pagerduty_refuses_is_not_shown() -> None:
    service = PagerDuty(key="too-short-a-key")
    async with to(service) as pager:
        outcome = await pager.send(FAILED_EVENT)
    assert outcome.verdict is Verdict.NEVER
    assert "invalid event" in outcome.text
    assert service.key not in outcome.text


async def test_the_test_event_opens_an_alert_and_resolves_it() -> None:
    service = PagerDuty()
    async with to(service) as pager:
        assert (await pager.send(trial())).verdict is Verdict.TAKEN
        first = json.loads(pager.receiver.received[0].body)
    assert first["payload"]["severity"] == "info"
    assert (service.open, len(service.opened), service.resolved) == ({}, 1, service.opened)
