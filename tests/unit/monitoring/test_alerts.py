"""The alert rules use metrics that are exposed, describe a remedy, and fire when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.monitoring.exposed import EXPOSED, SCRAPED, faults, read
from watcher.observability.metrics import LATE

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus-alerts.yaml"
TRIALS = DEPLOY / "prometheus-alerts-test.yaml"
PROMTOOL = shutil.which("promtool")


HOLD = (
    'or sum without (alertname, alertstate, severity) (ALERTS{{alertname="{name}", alertstate="firing"}})\n'
    "  and on (job, instance) watcher:{of}silent"
)
"""What lets an alert go on while the daemon, or its store, is silent."""


def all_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def rules() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in all_rules() if "alert" in rule}


def own(expression: str) -> str:
    """An expression without what lets its alert go on."""
    return expression.partition("or sum without")[0]


def trials() -> list[dict[str, Any]]:
    tests = yaml.safe_load(TRIALS.read_text(encoding="utf-8"))["tests"]
    return [trial for test in tests for trial in test.get("alert_rule_test", [])]


RULE = pytest.mark.parametrize("rule", rules().values(), ids=rules())


@RULE
def test_a_rule_asks_for_what_is_exposed(rule: dict[str, Any]) -> None:
    assert faults(own(rule["expr"])) == []


@RULE
def test_no_alert_ends_because_its_series_went_away(rule: dict[str, Any]) -> None:
    """But the one that fires when they do."""
    if rule["alert"] == "WatcherAbsent":
        assert rule["expr"] == "absent(watcher_build_info)"
        return
    of = (
        "outbox_" if {"watcher_outbox_oldest_seconds", "watcher_dead_letters"} & read(own(rule["expr"])).metrics else ""
    )
    assert rule["expr"].endswith(HOLD.format(name=rule["alert"], of=of))
    assert f"watcher:{of}silent" in {rule.get("record") for rule in all_rules()}


@RULE
def test_a_rule_has_a_wait_a_severity_and_a_remedy(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"[1-9]\d*m", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert len(rule["annotations"]["summary"]) < 100 < len(rule["annotations"]["description"])


@RULE
def test_the_annotations_of_a_rule_use_labels_that_its_series_have(rule: dict[str, Any]) -> None:
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    question = read(own(rule["expr"]))
    assert told <= SCRAPED.union(*(EXPOSED[name] for name in question.metrics))
    assert not question.grouped or told <= question.grouped


@pytest.mark.parametrize("name", rules())
def test_a_rule_is_tried_both_ways(name: str) -> None:
    """The trials have a time at which it fires, and one at which it keeps quiet."""
    assert {bool(trial["exp_alerts"]) for trial in trials() if trial["alertname"] == name} == {True, False}


def test_lateness_is_compared_with_a_bound_that_the_histogram_has() -> None:
    """Beyond its last bound a histogram shows nothing, and between two it interpolates."""
    threshold = float(own(rules()["WatcherLate"]["expr"]).rpartition(">")[2])
    assert threshold in LATE[:-1]


def test_a_failed_sync_is_only_for_a_screen() -> None:
    assert {name for name, rule in rules().items() if "FAILED" in rule["expr"]} == {"WatcherSyncFailed"}
    assert rules()["WatcherSyncFailed"]["labels"]["severity"] == "info"


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian has it in the package prometheus)")
def test_promtool_takes_the_rules_and_they_do_as_the_trials_say() -> None:
    for command in ("check", "test"):
        file = RULES if command == "check" else TRIALS
        done = subprocess.run(
            [str(PROMTOOL), command, "rules", file], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
