"""The reader of PromQL that the other tests here rely on sees what is wrong."""

from __future__ import annotations

import pytest

from tests.unit.monitoring.exposed import faults, read


@pytest.mark.parametrize(
    ("expression", "metrics", "grouped"),
    [
        ("absent(watcher_build_info)", {"watcher_build_info"}, set()),
        ("watcher_streams > 0.5", {"watcher_streams"}, set()),
        ("sum by (job, type) (rate(watcher_events_total[5m])) > 1e3", {"watcher_events_total"}, {"job", "type"}),
        ('a{x="sum(b)"} and on (job) (c offset 5m == bool 0)', {"a", "c"}, {"job"}),
        ("histogram_quantile(0.99, sum by (le) (rate(a_bucket[$__rate_interval])))", {"a_bucket"}, {"le"}),
    ],
)
def test_metrics_and_groups_are_found_in_an_expression(expression: str, metrics: set[str], grouped: set[str]) -> None:
    question = read(expression)
    assert (question.metrics, question.grouped) == (metrics, grouped)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("rate(watcher_poll_total[5m])", ["watcher_poll_total is not exposed"]),
        ("sum by (sink) (watcher_streams)", ["watcher_streams has no label sink"]),
        ('watcher_targets{state="FAILED"}', ["watcher_targets has no label state"]),
        ('watcher_targets{status="BROKEN"}', ["status of watcher_targets is never BROKEN"]),
        ('watcher_polls_total{outcome!~"answered|lost"}', ["outcome of watcher_polls_total is never lost"]),
        ('watcher_deliveries_total{outcome="answered"}', ["outcome of watcher_deliveries_total is never answered"]),
        ('watcher_targets{job=~"$job", status="FAILED"}', []),
        (
            "histogram_quantile(0.9, sum by (le) (watcher_detection_seconds_count))",
            ["watcher_detection_seconds_count has no label le"],
        ),
    ],
)
def test_metrics_and_labels_that_are_not_exposed_are_reported(expression: str, said: list[str]) -> None:
    assert faults(expression) == said
