"""What is recorded of polls whose failures concern both a target and its endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.clocks import SetClock
from tests.unit.conftest import a_snapshot, an_attempt, minute
from watcher.core.model import IN_PROGRESS
from watcher.core.outages import ALONE, OWN
from watcher.core.settings import Account, Config, Retry
from watcher.errors import EndpointUnreadable, TargetUnreadable
from watcher.observability.observer import Observers
from watcher.polling import results as results_module
from watcher.polling.observations import observe_answer
from watcher.polling.recorder import Recorder
from watcher.polling.results import PollResults
from watcher.sources.codeconnections import stack
from watcher.stores.memory import MemoryStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from watcher.core.model import Target
    from watcher.core.ports import Clock

BAD, GOOD = (stack("default", "us-east-1", name) for name in ("bad", "good"))
REFUSED = EndpointUnreadable("AccessDenied", "no")
UNREADABLE_AFTER = 2


def recording(*targets: Target, clock: Clock | None = None) -> tuple[Recorder, PollResults]:
    config = Config(
        place="test", accounts={"default": Account("default", ("us-east-1",))}, targets=targets, retry=Retry(),
        unreadable_after=UNREADABLE_AFTER, sinks=(), state="", http=None, state_retention=1.0, shutdown_grace=1.0,
    )  # fmt: skip
    recorder = Recorder(MemoryStore(), clock or SystemClock(), lambda: None, Observers())
    results = PollResults(BAD.endpoint, recorder)
    results.configure(config.targets_by_id, config)
    return recorder, results


@pytest.mark.parametrize("endpoint_fails", [False, True])
async def test_a_target_that_fails_alone_has_no_outage_of_its_own_while_its_endpoint_has_one(
    *, endpoint_fails: bool
) -> None:
    recorder, results = recording(BAD, GOOD)
    committing = asyncio.create_task(recorder.run())
    await results.failed(BAD, REFUSED)
    for left in reversed(range(UNREADABLE_AFTER * OWN // ALONE)):
        await results.answered(GOOD, a_snapshot(an_attempt(1)))
        for _ in range(UNREADABLE_AFTER if endpoint_fails and not left else 0):
            await results.failed(GOOD, REFUSED)
        assert not recorder.record_of(BAD.id).outage
        await results.failed(BAD, REFUSED)
    committing.cancel()
    unreadable = {subject for subject, record in recorder.records.items() if record.outage}
    assert unreadable == {str(BAD.endpoint) if endpoint_fails else BAD.id}


async def test_targets_that_are_denied_while_others_answer_make_the_endpoint_unreadable_only_once() -> None:
    denied = [stack("default", "us-east-1", name) for name in "abc"]
    recorder, results = recording(*denied, GOOD)
    committing = asyncio.create_task(recorder.run())
    for _ in range(4):
        await results.answered(GOOD, a_snapshot(an_attempt(1)))
        for target in denied:
            await results.failed(target, REFUSED)
    await results.answered(GOOD, a_snapshot(an_attempt(1)))
    endpoint = recorder.record_of(str(GOOD.endpoint))
    assert (endpoint.sequence, endpoint.outage) == (2, None), "one outage, before it was known that others answer"
    for _ in range(UNREADABLE_AFTER):
        await results.failed(GOOD, REFUSED)
    assert recorder.record_of(str(GOOD.endpoint)).outage
    committing.cancel()


async def test_the_same_answer_is_compared_again_if_the_record_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def counted(*asked: Any) -> Any:
        nonlocal compared
        compared += 1
        return observe_answer(*asked)

    monkeypatch.setattr(results_module, "observe_answer", counted)
    recorder, results = recording(GOOD)
    committing = asyncio.create_task(recorder.run())
    first, second = a_snapshot(an_attempt(1)), a_snapshot(an_attempt(2))
    for _ in range(5):
        assert not await results.answered(GOOD, first)
    assert compared == 2, "once it is a change, and once it is none"
    for _ in range(UNREADABLE_AFTER):
        await results.failed(GOOD, TargetUnreadable("ValidationException", "no"))
    assert recorder.record_of(GOOD.id).outage
    await results.answered(GOOD, first)
    assert recorder.record_of(GOOD.id).outage is None
    await results.answered(GOOD, second)
    assert [await results.answered(GOOD, first) for _ in range(3)] == [True, True, False], "it is older, then accepted"
    committing.cancel()


async def test_the_same_answer_about_an_unfinished_attempt_reports_that_it_is_stalled() -> None:
    clock = SetClock()
    clock.moment = minute(1).timestamp()
    recorder, results = recording(GOOD, clock=clock)
    committing = asyncio.create_task(recorder.run())
    unfinished = a_snapshot(an_attempt(1, IN_PROGRESS))
    for _ in range(3):
        await results.answered(GOOD, unfinished)
    assert recorder.record_of(GOOD.id).sequence == 0
    clock.moment += GOOD.stalled_after
    await results.answered(GOOD, unfinished)
    assert recorder.record_of(GOOD.id).sequence == 1
    committing.cancel()
