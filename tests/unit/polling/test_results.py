"""What is recorded of polls whose failures concern both a target and its endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.unit.conftest import a_snapshot, an_attempt
from watcher.core.outages import ALONE, OWN
from watcher.core.settings import Account, Config, Retry
from watcher.errors import EndpointUnreadable
from watcher.observability.observer import Observers
from watcher.polling.recorder import Recorder
from watcher.polling.results import PollResults
from watcher.sources.codeconnections import stack
from watcher.stores.memory import MemoryStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from watcher.core.model import Target

BAD, GOOD = (stack("default", "us-east-1", name) for name in ("bad", "good"))
REFUSED = EndpointUnreadable("AccessDenied", "no")
UNREADABLE_AFTER = 2


def recording(*targets: Target) -> tuple[Recorder, PollResults]:
    config = Config(
        place="test", accounts={"default": Account("default", ("us-east-1",))}, targets=targets, retry=Retry(),
        unreadable_after=UNREADABLE_AFTER, sinks=(), state="", http=None, state_retention=1.0, shutdown_grace=1.0,
    )  # fmt: skip
    recorder = Recorder(MemoryStore(), SystemClock(), lambda: None, Observers())
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
