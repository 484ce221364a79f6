"""Each sync counts once, when the event of its end is recorded."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from tests.unit.conftest import a_snapshot, an_attempt, minute
from tests.unit.polling.test_observations import TARGET, entry
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt
from watcher.core.state import Record
from watcher.observability.sync_metrics import SyncMetrics
from watcher.polling.observations import observe_answer

RUNNING, DONE, BROKEN = an_attempt(1, IN_PROGRESS), an_attempt(1, SUCCEEDED), an_attempt(1, FAILED)


@pytest.mark.parametrize(
    ("answers", "succeeded", "failed", "seconds"),
    [
        ([(BROKEN, None), (BROKEN, None)], 0, 0, []),
        ([(RUNNING, None), (RUNNING, None), (DONE, None), (DONE, None)], 1, 0, [180]),
        ([(an_attempt(0), None), (BROKEN, None), (an_attempt(2, FAILED), None)], 0, 2, [60, 60]),
        ([(an_attempt(0), None), (an_attempt(2, FAILED), an_attempt(1))], 1, 1, [60, 0]),
        ([(an_attempt(0), None), (an_attempt(-1, FAILED, "rolled back"), None)], 0, 0, []),
        ([(RUNNING, None), (BROKEN, None), (RUNNING, None), (DONE, None)], 1, 1, [120, 240]),
        ([(an_attempt(5), None), *[(an_attempt(0, FAILED), None)] * 3], 0, 0, []),
    ],
    ids=["over when first seen", "ends", "two failures", "success between two polls", "older answer", "both ways",
         "rolled back"],
)  # fmt: skip
def test_syncs_are_counted_by_result_with_their_duration(
    answers: list[tuple[Attempt, Attempt | None]], succeeded: int, failed: int, seconds: list[float]
) -> None:
    registry = CollectorRegistry()
    metrics, record = SyncMetrics(registry), Record()
    metrics.set_kinds(["stack"])
    # Attempts start in their minute, and the answers come a minute later each.
    for now, (latest, success) in enumerate(answers, 2 if answers[0][0] is RUNNING else 1):
        observation, _ = observe_answer(TARGET, record, a_snapshot(latest, success), minute(now))
        made = entry(observation, before=record, now=now)
        record = made.record
        metrics.recorded([made])
    counts = [registry.get_sample_value("watcher_syncs_total", {"kind": "stack", "result": name})
              for name in ("succeeded", "failed")]  # fmt: skip
    assert counts == [succeeded, failed]
    assert registry.get_sample_value("watcher_sync_duration_seconds_count") == len(seconds)
    assert registry.get_sample_value("watcher_sync_duration_seconds_sum") == sum(seconds)


def test_the_configured_kinds_have_series_from_the_start_and_others_none() -> None:
    registry = CollectorRegistry()
    metrics = SyncMetrics(registry)
    for kinds in (["stack", "template"], ["stack"]):
        metrics.set_kinds(kinds)
        for kind in ("stack", "template"):
            count = registry.get_sample_value("watcher_syncs_total", {"kind": kind, "result": "failed"})
            assert count == (0 if kind in kinds else None)
