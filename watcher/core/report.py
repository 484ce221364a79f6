"""How syncs went in a period, by target or by a label: what `watcher report` counts. Pure.

- A sync is an attempt that was seen to succeed or fail, of the period in which it started. One whose end is not known
  to the second, as when it was over before its target was first observed and AWS reports no time, has no duration.
- The time to restore is that of incidents that ended in the period; one whose target was removed was not restored.
- The longest incident is one that ended in the period, or that is still open: that one counts up to now.
- Only targets count, not endpoints. Labels are those of the target at the time (`core.history`).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watcher.core.history import AttemptRow, HistoryRow
from watcher.core.model import FAILED
from watcher.core.state import Incident

Grouping = Callable[[str, Mapping[str, str]], str | None]
"""Returns the group of a target, by its id and its labels; None: it has no such label."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The median and the 90th percentile, by nearest rank; None: there are no values."""

    p50: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class GroupReport:
    """The figures of one group; durations are in seconds."""

    group: str | None
    syncs: int
    failed: int
    duration: Percentiles
    restore: Percentiles
    longest_open: float | None
    """None: there was no incident."""

    @property
    def failure_rate(self) -> float | None:
        """The share of syncs that failed; None: there was none."""
        return self.failed / self.syncs if self.syncs else None


@dataclass(slots=True)
class _Group:
    syncs: int = 0
    failed: int = 0
    durations: list[float] = field(default_factory=list)
    restored: list[float] = field(default_factory=list)
    incidents: list[float] = field(default_factory=list)


class Report:
    """Counts one row after the other, so that a long history is never in memory as a whole."""

    def __init__(self, group_of: Grouping) -> None:
        self._group_of = group_of
        self._groups: dict[str | None, _Group] = defaultdict(_Group)

    def add(self, row: HistoryRow) -> None:
        """Count an attempt that started, or an incident that ended, in the period."""
        if _is_endpoint(row.subject):
            return
        if not isinstance(row, AttemptRow):
            lasted = max(0.0, (row.closed_at - row.opened_at).total_seconds())
            group = self._groups[self._group_of(row.subject, row.labels)]
            group.incidents.append(lasted)
            group.restored += [] if row.removed else [lasted]
        elif row.attempt.ended:
            group = self._groups[self._group_of(row.subject, row.labels)]
            group.syncs += 1
            group.failed += row.attempt.status == FAILED
            group.durations += [] if row.attempt.duration is None else [row.attempt.duration]

    def add_open(self, subject: str, incident: Incident, now: datetime) -> None:
        """Count an incident that is still open."""
        if not _is_endpoint(subject):
            group = self._groups[self._group_of(subject, incident.labels)]
            group.incidents.append(max(0.0, (now - incident.opened_at).total_seconds()))

    def groups(self) -> list[GroupReport]:
        """Return the figures of each group in which there was a sync or an incident, in order of the groups."""
        return [
            GroupReport(
                name,
                each.syncs,
                each.failed,
                _percentiles(each.durations),
                _percentiles(each.restored),
                _rounded(max(each.incidents, default=None)),
            )
            for name, each in sorted(self._groups.items(), key=lambda item: (item[0] is None, item[0]))
        ]


def grouping(by: str) -> Grouping:
    """Return the grouping that `--by` names.

    Raises:
        ValueError: it is neither `target` nor `label:KEY`.
    """
    kind, _, key = by.partition(":")
    if by == "target":
        return lambda subject, _: subject
    if kind == "label" and key:
        return lambda _, labels: labels.get(key)
    raise ValueError("write target, or label:KEY with the key of a label, such as label:team")


def group_to_json(report: GroupReport) -> dict[str, Any]:
    """Return the figures of a group in JSON."""
    return {
        "group": report.group,
        "syncs": report.syncs,
        "failed": report.failed,
        "failure_rate": report.failure_rate,
        "duration_seconds": {"p50": report.duration.p50, "p90": report.duration.p90},
        "restore_seconds": {"p50": report.restore.p50, "p90": report.restore.p90},
        "longest_open_seconds": report.longest_open,
    }


def _is_endpoint(subject: str) -> bool:
    return subject.count("/") == 2  # account/region/api


def _percentiles(values: Sequence[float]) -> Percentiles:
    ordered = sorted(values)
    return Percentiles(_nearest_rank(ordered, 50), _nearest_rank(ordered, 90))


def _nearest_rank(ordered: Sequence[float], percent: int) -> float | None:
    """Return the smallest value that is not less than `percent` of all."""
    return _rounded(ordered[-(-percent * len(ordered) // 100) - 1]) if ordered else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
