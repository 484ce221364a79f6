"""What a reload of the configuration costs: memory after many reloads; time, and lateness of polls, of one."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.benchmarks.children import Child
from tests.benchmarks.edits import Editor
from tests.benchmarks.figures import markdown, percentile, spread
from tests.benchmarks.worlds import settled
from watcher.polling.schedule import FIRST_POLLS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.edits import Edit

TARGETS, POLLS = 100, 100.0
LEVELS = (0, 50, 100, 200, 300, 400, 500)
REST, SETTLES = 0.05, 1.0
"""Targets and polls a second; after how many reloads one looks; seconds between two edits, and before a look."""

LARGE, LARGE_POLLS = 2000, 20.0
AFTER = 2.0
"""For the time of one; seconds after it for which polls are looked at."""

NEWS_EVERY = 2
"""Answers of a target: half of the polls bring an event."""


def bench(*, quick: bool) -> str:
    """Both tables."""
    levels, turns = ((0, 5, 10), 2) if quick else (LEVELS, 6)
    return f"{_levels(levels)}\n\n{_times(turns)}"


def _levels(levels: Sequence[int]) -> str:
    """Memory, files, threads and tasks of the daemon after many reloads."""
    rows, wrong, done, chance = [], 0, 0, Random(4)
    with (
        tempfile.TemporaryDirectory() as folder,
        Child("server", {"settled": ("stack", TARGETS, NEWS_EVERY)}) as server,
        Child("receiver", {}) as receiver,
    ):
        targets = settled("stack", TARGETS).targets()
        editor = Editor(Path(folder), targets, POLLS, server.reply(), f"{receiver.reply()}/hook")
        editor.write(editor.plain)
        with Child("serving", {"config": str(editor.file)}) as daemon:
            daemon.reply()
            for level in levels:
                while done < level:
                    edit = editor.any(chance)
                    _reload(daemon, editor, edit)
                    wrong += edit.wrong != ""
                    done += 1
                    time.sleep(REST)
                _reload(daemon, editor, editor.plain)
                time.sleep(SETTLES)
                found = daemon.ask("look")
                row = level, f"{found['resident'] / 1e6:.1f}", found["files"], found["threads"], found["tasks"]
                rows.append([*row, f"{found['calls']:,.0f}"])
    headings = ["after reloads", "resident memory (MB)", "files", "threads", "tasks", "polls so far"]
    return (
        f"**Reloads**: {done} reloads, one after the other, of random edits to targets, labels, intervals, accounts, "
        f"regions, sinks and `http`: {done - wrong} valid and {wrong} invalid, with {TARGETS} targets at {POLLS:.0f} "
        "polls a second, half of which cause an event. Before each measurement the first configuration is loaded "
        f"again.\n\n{markdown(headings, rows)}"
    )


def _times(turns: int) -> str:
    """What one reload costs."""
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder, Child("server", {"settled": ("stack", LARGE, NEWS_EVERY)}) as server:
        editor = Editor(Path(folder), settled("stack", LARGE).targets(), LARGE_POLLS, server.reply())
        edit = editor.plain
        editor.write(edit)
        with Child("serving", {"config": str(editor.file)}) as daemon:
            daemon.reply()
            for turn in range(turns):
                daemon.ask("mark")
                time.sleep(AFTER)
                found.setdefault("no reload, for comparison", []).append(daemon.ask("look"))
                changes: dict[str, dict[str, Any]] = {
                    "nothing": {},
                    "labels of all targets": {"label": f"turn-{turn}"},
                    "the interval of all targets": {"interval": editor.plain.interval * (0.9 if turn % 2 else 1.1)},
                    "a misspelt key": {"wrong": "stakcs: []"},
                    "1,000 targets removed": {"wrong": "", "kept": LARGE // 2},
                    "1,000 targets added": {"kept": LARGE},
                }
                for name, change in changes.items():
                    edit = replace(edit, **change)
                    daemon.ask("mark")
                    seconds = _reload(daemon, editor, edit)
                    time.sleep(AFTER)
                    found.setdefault(name, []).append({**daemon.ask("look"), "seconds": seconds})
                time.sleep(FIRST_POLLS_SECONDS)  # the new ones are looked at meanwhile
    headings = ["what changes", "takes (ms)", "processor time (ms)", "polls late, median (ms)", "99th percentile (ms)",
                "polls missed"]  # fmt: skip
    return (
        f"**One reload** of {LARGE:,} targets at {LARGE_POLLS:.0f} polls a second, from the request until the new "
        f"configuration is used. Processor time and lateness are those of the reload and the {AFTER:g} s after it, "
        f"polls included. {turns} turns.\n\n{markdown(headings, [_row(name, each) for name, each in found.items()])}"
    )


def _reload(daemon: Child, editor: Editor, edit: Edit) -> float:
    """Have an edit applied, or refused if it is invalid; the seconds that this took."""
    editor.write(edit)
    told = daemon.ask("reload")
    if told["right"] == bool(edit.wrong):
        raise RuntimeError(f"{edit}: it was {'applied' if told['right'] else 'refused'}")
    return float(told["seconds"])


def _row(name: str, turns: Sequence[dict[str, Any]]) -> list[object]:
    late = [seconds * 1000 for each in turns for seconds in each["late"]]
    took = [each["seconds"] * 1000 for each in turns if "seconds" in each]
    return [
        name,
        spread(took, ".0f") if took else "",
        f"{median(each['cpu'] for each in turns) * 1000:.0f}",
        f"{percentile(late, 0.5):.1f}",
        f"{percentile(late, 0.99):.1f}",
        sum(each["missed"] for each in turns),
    ]
