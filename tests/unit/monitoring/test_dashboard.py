"""The dashboard uses metrics that are exposed, and can be read and imported as it is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.monitoring.exposed import COUNTERS, EXPOSED, GAUGES, HISTOGRAMS, faults, read

FILE = Path(__file__).parents[3] / "deploy" / "grafana-dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
ALL: list[dict[str, Any]] = DASHBOARD["panels"]
PANELS = [panel for panel in ALL if panel["type"] != "row"]
QUERIES = [query for panel in PANELS for query in panel["targets"]]
PROMTOOL = shutil.which("promtool")
PANEL = pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])


@PANEL
def test_a_panel_asks_for_what_is_exposed(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    assert [faults(query["expr"]) for query in panel["targets"]] == [[] for _ in panel["targets"]]


@PANEL
def test_a_legend_names_labels_that_are_left_by_the_query(panel: dict[str, Any]) -> None:
    for query in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", query["legendFormat"]))
        question = read(query["expr"])
        aggregated = re.match(r"(sum|max|min|histogram_quantile)\b", query["expr"])
        assert named <= (question.grouped if aggregated else {"instance"}.union(*map(EXPOSED.get, question.metrics)))


@PANEL
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]


@PANEL
def test_a_panel_is_of_grafana_itself_and_reads_from_the_chosen_source(panel: dict[str, Any]) -> None:
    assert panel["type"] in {"stat", "timeseries", "table"}
    for source in (panel["datasource"], *(query["datasource"] for query in panel["targets"])):
        assert source == {"type": "prometheus", "uid": "${datasource}"}


@PANEL
def test_every_series_is_of_the_chosen_instances(panel: dict[str, Any]) -> None:
    """What is only joined with (`and on`) need not be chosen again."""
    for query in panel["targets"]:
        asked = read(query["expr"].partition(" and on ")[0])
        assert {
            name for name, label, value in asked.matched if (label, value) == ("instance", "$instance")
        } == asked.metrics


def test_panels_have_ids_of_their_own_and_overlap_nowhere() -> None:
    assert len({panel["id"] for panel in ALL}) == len(ALL)
    for one, other in combinations(ALL, 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, (one["title"], other["title"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in ALL)


def test_everything_that_watcher_exposes_has_a_place() -> None:
    asked = {name for query in QUERIES for name in read(query["expr"]).metrics}
    wanted = {f"{name}_total" for name in COUNTERS} | set(GAUGES) | {f"{name}_bucket" for name in HISTOGRAMS}
    assert asked >= wanted | {"watcher_build_info"}


def test_the_variables_are_those_that_the_queries_use() -> None:
    declared = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert declared == {"datasource", "instance"}
    assert set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(ALL))) == declared


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian has it in the package prometheus)")
def test_promtool_can_read_every_query(tmp_path: Path) -> None:
    """As recorded rules, with Grafana's variables filled in."""
    queries = [query["expr"].replace("$instance", ".*").replace("$__rate_interval", "5m") for query in QUERIES]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    command = [str(PROMTOOL), "check", "rules", "--lint=none", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found" in done.stdout
