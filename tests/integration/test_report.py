"""`watcher report` over a state file whose history a script of answers has made."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.conftest import a_revision
from watcher import cli
from watcher.core.by_hand import NOTHING_BY_HAND
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt, Snapshot, rfc3339
from watcher.core.settings import Config, Retry
from watcher.core.state import Record
from watcher.polling.observations import entry_of, observe_answer
from watcher.sources.codeconnections import stack
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.core.model import Target

START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
SHOP = stack("default", "us-east-1", "shop", labels={"team": "apps"})
CART = stack("default", "us-east-1", "cart", labels={"team": "apps"})
NETWORK = stack("default", "us-east-1", "network")
SETTINGS = Config("watcher.yaml", {}, (), Retry(), 3, (), "memory://", None, 1.0, 1.0, ())

SCRIPT = {
    # Seconds after the start: when it is polled, and what AWS answers: when its attempt started and its status, and the
    # times of AWS's events.
    SHOP: [
        (0, -600, SUCCEEDED, -590),  # first seen: 10 s
        (110, 100, IN_PROGRESS),
        (160, 100, FAILED, 105, 150),  # 50 s
        (320, 300, FAILED, 315),  # 15 s
        (950, 900, SUCCEEDED),  # no time of AWS: until the event, 50 s; restored 790 s after the first failure
        (999, 990, IN_PROGRESS),
    ],
    CART: [
        (10, 0, FAILED),  # first seen, and no time of AWS: duration unknown; never restored
        (5000, 4000, FAILED, 4007.5),  # 7.5 s
    ],
    NETWORK: [
        (0, -10 * 86400, SUCCEEDED, -10 * 86400 + 1),  # too old to count
        (60, 50, SUCCEEDED, 59, 58),  # 9 s
    ],
}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def record(store: SqliteStore, target: Target, script: list[Any]) -> None:
    record = Record()
    for now, began, status, *times in script:
        events = tuple({"type": "SYNC", "event": "…", "time": rfc3339(at(time))} for time in times)
        latest = Attempt(at(began), status, target.name, None, a_revision(), events)
        observation, _ = observe_answer(target, record, Snapshot(None, latest, None), at(now))
        entry = entry_of(
            target.id,
            record,
            observation,
            at(now),
            labels=target.labels,
            config=SETTINGS,
            traceparent=None,
            hand=NOTHING_BY_HAND,
        )
        await store.commit([entry], at(now))
        record = entry.record


@pytest.fixture
async def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watcher.yaml").write_text("state: sqlite:///state.db\nstacks: [{name: network}]\n")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    for target, script in SCRIPT.items():
        await record(store, target, script)
    await store.forget([SHOP.id], datetime.now(UTC))  # it left the configuration: its history stays
    await store.mark_alive(datetime.now(UTC))
    await store.close()
    return tmp_path


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", *arguments])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.mark.usefixtures("state")
def test_the_figures_are_those_counted_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = report(capsys, "--json", "--since", "9d")
    assert (code, err) == (0, "")
    cart, network, shop = json.loads(out)
    assert shop == {
        "group": SHOP.id, "syncs": 4, "failed": 2, "failure_rate": 0.5,
        "duration_seconds": {"p50": 15, "p90": 50}, "restore_seconds": {"p50": 790, "p90": 790},
        "longest_open_seconds": 790,
    }  # fmt: skip
    open_now = (datetime.now(UTC) - at(10)).total_seconds()
    assert open_now - 60 < cart.pop("longest_open_seconds") <= open_now
    assert cart == {
        "group": CART.id, "syncs": 2, "failed": 2, "failure_rate": 1,
        "duration_seconds": {"p50": 7.5, "p90": 7.5}, "restore_seconds": {"p50": None, "p90": None},
    }  # fmt: skip
    assert (network["syncs"], network["duration_seconds"]["p90"], network["longest_open_seconds"]) == (1, 9, None)
    for row in csv.DictReader(io.StringIO(report(capsys, "--csv", "--by", "label:team")[1])):
        if row["group"] == "apps":
            figures = ("syncs", "failed", "duration_seconds_p50", "duration_seconds_p90", "restore_seconds_p90")
            assert [row[name] for name in figures] == ["6", "4", "15.0", "50.0", "790.0"]
        else:
            assert (row["group"], row["syncs"], row["failure_rate"]) == ("", "2", "0.0")
    assert len(json.loads(report(capsys, "--json", "--since", "1h")[1])) == 1, "only the open incident is left"


@pytest.mark.usefixtures("state")
def test_a_report_is_a_table_unless_json_or_csv_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = report(capsys, "--by", "label:team")
    assert code == 0
    lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    assert lines[0] == [
        "GROUP", "SYNCS", "FAILED", "RATE", "SYNC P50", "SYNC P90", "RESTORE P50", "RESTORE P90", "LONGEST OPEN",
    ]  # fmt: skip
    assert lines[1][:8] == ["apps", "6", "4", "66.7%", "15s", "50s", "13m10s", "13m10s"]
    assert lines[2] == ["(no label)", "2", "0", "0.0%", "1s", "9s"]


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--by", "team"], 64, "write target, or label:KEY"),
        (["--json", "--csv"], 64, "--json and --csv exclude each other"),
        (["--since", "soon"], 64, "'soon' is not a valid duration"),
        (["--since", "500d"], 0, "the history is kept for 400d"),
    ],
)
def test_wrong_options_are_refused_and_a_time_before_the_history_is_noted(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, _, err = report(capsys, *arguments)
    assert ended == code
    assert message in err
