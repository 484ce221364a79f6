"""The metrics at `/metrics`, and a reader of PromQL that returns which of them an expression uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.core.event_types import ALL_EVENT_TYPES
from watcher.observability.observer import HintOutcome, PollOutcome
from watcher.observability.sync_metrics import RESULTS
from watcher.sources import KINDS, kind_names

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT = {"account", "region", "api"}
COUNTERS: dict[str, set[str]] = {
    "watcher_polls": ENDPOINT | {"outcome"},
    "watcher_events": {"type"},
    "watcher_deliveries": {"sink", "outcome"},
    "watcher_config_reloads": {"outcome"},
    "watcher_hints": {"outcome"},
    "watcher_heartbeats": {"signal", "outcome"},
    "watcher_syncs": {"kind", "result"},
    "watcher_changes_without_hint": set(),
}
GAUGES: dict[str, set[str]] = {
    "watcher_targets": {"kind", "status"},
    "watcher_targets_blocked": {"kind"},
    "watcher_incidents_open": {"kind"},
    "watcher_mutes_active": set(),
    "watcher_targets_stalled": {"kind"},
    "watcher_targets_unreadable": {"kind"},
    "watcher_outbox_pending": {"sink"},
    "watcher_outbox_oldest_seconds": {"sink"},
    "watcher_dead_letters": {"sink"},
    "watcher_discovered_targets": {"account", "region", "kind"},
    "watcher_endpoint_readable": ENDPOINT,
    "watcher_sink_up": {"sink"},
    "watcher_config_reload_success": set(),
    "watcher_streams": set(),
}
HISTOGRAMS: dict[str, set[str]] = {
    "watcher_poll_duration_seconds": ENDPOINT,
    "watcher_schedule_lag_seconds": ENDPOINT,
    "watcher_detection_seconds": set(),
    "watcher_restore_seconds": set(),
    "watcher_sync_duration_seconds": set(),
    "watcher_delivery_seconds": {"sink"},
}
OF_THE_PROCESS = ("process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_cpu_seconds_total")

EXPOSED: dict[str, set[str]] = (
    {f"{name}_total": labels for name, labels in COUNTERS.items()}
    | GAUGES
    | {f"{name}_bucket": labels | {"le"} for name, labels in HISTOGRAMS.items()}
    | {f"{name}_{part}": labels for name, labels in HISTOGRAMS.items() for part in ("sum", "count")}
    | {name: set[str]() for name in OF_THE_PROCESS}
    | {"watcher_build_info": {"version"}}
)
"""The labels of each series, by its name."""

SCRAPED = {"job", "instance"}
"""What Prometheus adds to every series."""

STATUSES = {"SUCCEEDED", "FAILED", "IN_PROGRESS", "INITIATED", "QUEUED", "UNKNOWN", "NEVER_SYNCED", "NOT_SEEN"}
OUTCOMES = {
    "watcher_polls_total": {*PollOutcome},
    "watcher_deliveries_total": {"sent", "retried", "dead"},
    "watcher_config_reloads_total": {"success", "failure"},
    "watcher_hints_total": {*HintOutcome},
    "watcher_heartbeats_total": {"accepted", "failed"},
}
VALUES = {
    "status": STATUSES | {"AVAILABLE", "ERROR", "PENDING"},  # the latter of connections
    "api": {kind.api for kind in KINDS.values()},
    "kind": {*kind_names()},
    "type": set(ALL_EVENT_TYPES),
    "result": {*RESULTS.values()},
}

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORDS = {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True)
class Question:
    """What an expression asks for."""

    metrics: frozenset[str]
    grouped: frozenset[str]
    """Labels that it groups or joins by."""
    matched: frozenset[tuple[str, str, str]]
    """Metric, label and value, for each value that a label is compared with."""


def read(expression: str) -> Question:
    """Take an expression apart. Everything that is no function, operator or duration is taken for a metric."""
    grouped = {
        label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",") if label.strip()
    }
    metrics: set[str] = set()
    matched: set[tuple[str, str, str]] = set()
    for name, matchers in _selectors(_GROUPING.sub(" ", expression)):
        metrics.add(name)
        matched |= {
            (name, label, value)
            for label, operator, values in _MATCHER.findall(matchers)
            for value in (values.split("|") if "~" in operator else [values])
        }
    return Question(frozenset(metrics), frozenset(grouped), frozenset(matched))


def _selectors(expression: str) -> Iterator[tuple[str, str]]:
    plain = re.sub(r"\[[^\]]*\]", "", expression)
    for match in _SELECTOR.finditer(plain):
        name, matchers = match.groups()
        before = plain[: match.start()]
        inside_braces = before.count("{") > before.count("}")
        is_number_or_unit = bool(re.search(r"[\d.]$", before))
        is_function = matchers is None and plain[match.end() :].lstrip().startswith("(")
        if not (inside_braces or is_number_or_unit or is_function or name in _WORDS):
            yield name, matchers or ""


def faults(expression: str) -> list[str]:
    """What an expression asks for and watcher does not expose."""
    question = read(expression)
    unknown = sorted(question.metrics - set(EXPOSED))
    known = question.metrics & set(EXPOSED)
    said = [f"{name} is not exposed" for name in unknown]
    said += [
        f"{name} has no label {label}"
        for name in sorted(known)
        for label in sorted(question.grouped - EXPOSED[name] - SCRAPED)
    ]
    for name, label, value in sorted(question.matched):
        if label not in EXPOSED.get(name, set()) | SCRAPED:
            said.append(f"{name} has no label {label}")
        elif not value.startswith("$") and value not in values_of(name, label, value):
            said.append(f"{label} of {name} is never {value}")
    return said


def values_of(metric: str, label: str, otherwise: str) -> set[str]:
    """Which values a label may have; accounts, regions and sinks are the configuration's own words, so any."""
    return OUTCOMES.get(metric, {otherwise}) if label == "outcome" else VALUES.get(label, {otherwise})
