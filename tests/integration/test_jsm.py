"""Alerts of Jira Service Management over real HTTP, against a receiver that keeps them as Atlassian documents it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from tests.integration.posting_sinks import Sending, sending
from tests.integration.receiver import Cut, Reply
from tests.support.event_samples import attempt, outage, sync, trial
from tests.support.incidents import FAILED_AGAIN, FAILED_EVENT, LINKS, MENDED, RETRIED, UNREADABLE, Jsm, within
from watcher.core.deliveries import Verdict
from watcher.core.model import FAILED
from watcher.errors import SinkError
from watcher.sinks.jsm import JsmOptions
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALIAS = "watcher:default/us-east-1/stack/network"
BASE = "/jsm/ops/integration"


@asynccontextmanager
async def to(service: Jsm, *script: Reply, key: str | None = None) -> AsyncIterator[Sending]:
    async with sending(
        JsmOptions, service.answer, *script, base=service.base, api_key=SecretStr(key or service.key)
    ) as made:
        yield made


@pytest.mark.parametrize("base", [BASE, ""], ids=["jsm", "opsgenie"])
async def test_an_incident_is_one_alert_that_is_created_noted_and_closed(base: str) -> None:
    service = Jsm(base)
    async with to(service) as jsm:
        outcome = await jsm.send(FAILED_EVENT)
        assert (outcome.verdict, outcome.text.startswith("202 ")) == (Verdict.TAKEN, True)
        assert (service.open[ALIAS]["count"], service.open[ALIAS]["notes"]) == (1, [])
        await jsm.send(RETRIED)
        await jsm.send(FAILED_AGAIN)
        await jsm.send(FAILED_EVENT, reminder=1)
        assert service.open[ALIAS]["count"] == 3
        await jsm.send(MENDED)
    (alert,) = service.closed
    heads = [note.splitlines()[0] for note in alert["notes"]]
    assert heads == [
        "IN_PROGRESS: stack network (us-east-1)",
        "FAILED: stack network (us-east-1)",
        "FAILED (reminder 1): stack network (us-east-1)",
        "RECOVERED: stack network (us-east-1)",
    ]
    assert (service.open, service.failed) == ({}, [])


async def test_an_alert_says_what_is_wrong_and_where_to_look() -> None:
    service = Jsm(BASE)
    async with to(service) as jsm:
        await jsm.send(FAILED_EVENT)
    alert = service.open[ALIAS]
    assert alert["message"] == "FAILED: stack network (us-east-1): Failed to parse schema.yaml: line 14"
    assert (alert["entity"], alert["priority"]) == ("default/us-east-1/stack/network", "P2")
    assert alert["description"].startswith("Failed to parse schema.yaml: line 14\n")
    assert f"watcher: {LINKS['page']}" in alert["description"]
    assert alert["details"]["Branch"] == "main"


async def test_a_subject_that_is_long_and_texts_that_are_longer_fit() -> None:
    service = Jsm(BASE)
    target = stack("a" * 60, "us-east-1", "b" * 128 + "/" * 128)
    wrong = sync(attempt(FAILED, *("x" * 9000 for _ in range(50))), target=target)
    async with to(service) as jsm:
        for event in (within(wrong, "opened", "failed"), within(wrong, "ongoing", "failed")):
            assert (await jsm.send(event)).verdict is Verdict.TAKEN
        assert len(service.open) == 1
        assert (await jsm.send(within(wrong, "resolved", "failed"))).verdict is Verdict.TAKEN
    assert (len(service.closed), service.failed) == (1, [])


async def test_a_sink_that_is_first_sent_a_later_problem_opens_the_alert_with_it() -> None:
    service = Jsm(BASE)
    async with to(service) as jsm:
        await jsm.send(FAILED_AGAIN)
    assert list(service.open) == [ALIAS]


async def test_what_may_still_work_is_less_urgent() -> None:
    service = Jsm(BASE)
    async with to(service) as jsm:
        await jsm.send(UNREADABLE)
    assert service.open[ALIAS]["priority"] == "P3"


async def test_what_belongs_to_no_incident_is_not_sent() -> None:
    async with to(Jsm(BASE)) as jsm:
        outcome = await jsm.send(sync())
        assert jsm.receiver.received == []
    assert (outcome.verdict, outcome.text) == (Verdict.TAKEN, "not sent: the event belongs to no incident")


async def test_a_close_whose_alert_was_never_created_is_delivered() -> None:
    service = Jsm(BASE)
    async with to(service) as jsm:
        assert (await jsm.send(MENDED)).verdict is Verdict.TAKEN
    assert (service.open, service.failed) == ({}, ["close"])


async def test_a_repeat_after_a_lost_response_creates_nothing_twice() -> None:
    service = Jsm(BASE)
    async with to(service, Reply(cut=Cut.AFTER)) as jsm:
        assert (await jsm.send(FAILED_EVENT)).verdict is Verdict.LATER
        service.open[ALIAS] = {"alias": ALIAS, "count": 1, "notes": []}  # it was taken before the connection was cut
        assert (await jsm.send(FAILED_EVENT)).verdict is Verdict.TAKEN
    assert (len(service.open), service.open[ALIAS]["count"]) == (1, 2)


async def test_a_note_that_fails_is_tried_again_with_its_event() -> None:
    service = Jsm(BASE)
    async with to(service) as jsm:
        await jsm.send(FAILED_EVENT)
        jsm.receiver.script.extend([Reply(202), Reply(500)])
        assert (await jsm.send(FAILED_AGAIN)).verdict is Verdict.LATER
        assert (await jsm.send(FAILED_AGAIN)).verdict is Verdict.TAKEN
    assert len(service.open[ALIAS]["notes"]) == 1


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, Verdict.NEVER), (401, Verdict.LATER), (422, Verdict.NEVER), (429, Verdict.LATER), (503, Verdict.LATER)],
)
async def test_what_the_api_answers_decides(status: int, verdict: Verdict) -> None:
    async with to(Jsm(BASE), Reply(status, body=b'{"message":"a reason"}')) as jsm:
        outcome = await jsm.send(FAILED_EVENT)
    assert outcome.verdict is verdict
    assert "a reason" in outcome.text


@pytest.mark.parametrize("header", ["Retry-After", "X-RateLimit-Period-In-Sec"])
async def test_the_api_may_say_when_to_try_again(header: str) -> None:
    async with to(Jsm(BASE), Reply(429, {header: "60"})) as jsm:
        with pytest.raises(SinkError) as caught:
            await jsm.send(FAILED_EVENT)
    assert caught.value.retry_after == 60


async def test_a_key_that_is_refused_is_not_shown_and_an_operator_can_change_it() -> None:
    wrong = "0f9e8d7c-wrong"
    async with to(Jsm(BASE), Reply(403, body=f"no integration has {wrong}".encode()), key=wrong) as jsm:
        outcome = await jsm.send(FAILED_EVENT)
    assert (outcome.verdict, outcome.text) == (Verdict.LATER, "403 Forbidden: no integration has [redacted]")


async def test_the_test_event_opens_an_alert_and_closes_it() -> None:
    service = Jsm(BASE)
    async with to(service) as jsm:
        assert (await jsm.send(trial())).verdict is Verdict.TAKEN
    assert (service.open, [alert["priority"] for alert in service.closed]) == ({}, ["P5"])


async def test_the_end_of_an_outage_closes_the_same_alert() -> None:
    service = Jsm(BASE)
    async with to(service) as jsm:
        for over, state in ((False, "opened"), (True, "resolved")):
            event = within(outage(stack("default", "us-east-1", "network"), over=over), state, "unreadable")
            assert (await jsm.send(event)).verdict is Verdict.TAKEN
    assert (service.open, len(service.closed)) == ({}, 1)
