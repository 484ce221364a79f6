"""How requests to the daemon's page and API affect its polls: none, or a thousand readers beside broken clients."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.children import Child
from tests.benchmarks.figures import markdown, percentile, ratio, spread
from tests.benchmarks.readers import PATHS, SLOW_BYTES, SLOW_PAUSE
from tests.benchmarks.streams import wrong
from tests.benchmarks.worlds import Watch, configuration, settled

POLLS = 20.0
"""A second."""

ALLOWED = 10 * POLLS
NEWS_EVERY = 2
"""Answers of a target: half of the polls bring an event."""

READERS = 1000
OTHERS = {"slow": 50, "broken": 50, "streams": 100}
PAUSES = {"readers that pause 5 s": 5.0, "readers without a pause": 0.0}
NO_READERS = "no readers"
CALM = 3.0
"""Seconds between the end of the requests and the next measurement."""


def bench(*, quick: bool) -> str:
    """The tables: all paths of a daemon with 100 targets, and the list of 2,000 targets."""
    turns, seconds = (1, 4.0) if quick else (3, 12.0)
    parts = [_of(100, PATHS, turns, seconds), _of(2000, ("/api/targets",), turns, seconds)]
    return (
        f"**Readers**: the daemon makes {POLLS:.0f} polls a second, half of which cause an event. {READERS:,} readers "
        "(eight in ten accept gzip) each keep a connection and send one request after the other. Beside them, "
        f"{OTHERS['slow']} clients read {SLOW_BYTES} bytes every {SLOW_PAUSE:g} s, {OTHERS['broken']} send incomplete "
        f"requests, garbage, endless headers and resets, and {OTHERS['streams']} listen to `/api/stream`. All clients "
        f"are in another process. {turns} turns of {seconds:.0f} s for each row.\n\n" + "\n\n".join(parts)
    )


def _of(size: int, paths: tuple[str, ...], turns: int, seconds: float) -> str:
    """The table of one number of targets."""
    found: dict[str, list[dict[str, Any]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Child("server", {"settled": ("stack", size, NEWS_EVERY)}) as server,
    ):
        database, text = Path(folder) / "web.db", Path(folder) / "watcher.yaml"
        targets = settled("stack", size).targets()
        how = Watch(ALLOWED, size / POLLS)
        yaml = configuration(targets, server.reply(), database, how)
        text.write_text(yaml.replace("http: off", "http: {listen: 127.0.0.1:0}"), encoding="utf-8")
        with Child("serving", {"config": str(text)}) as daemon:
            address = urlsplit(daemon.reply())
            crowd = {"host": address.hostname, "port": address.port, "readers": READERS, "seconds": seconds}

            def look(pause: float | None) -> dict[str, Any]:
                daemon.ask("mark")
                if pause is None:
                    time.sleep(seconds)
                    return dict(daemon.ask("look"))
                with Child("readers", crowd | OTHERS | {"paths": paths, "pause": pause}) as readers:
                    readers.reply()
                    daemon.ask("mark")
                    readers.reply()
                    measured = daemon.ask("look")
                    came = readers.reply()
                unheard = wrong(database, came["streams"], came["opened"], came["closing"])
                return {**measured, **came, "wrong_streams": unheard}

            look(None)
            for _ in range(turns):
                for name, pause in {NO_READERS: None, **PAUSES}.items():
                    found.setdefault(name, []).append(look(pause))
                    time.sleep(CALM)
            after = daemon.ask("look")
    return _table(size, paths, found, seconds) + "\n\n" + _levels(found, after)


def _table(size: int, paths: tuple[str, ...], found: dict[str, list[dict[str, Any]]], seconds: float) -> str:
    late = {
        share: {name: [percentile(each["late"], share) * 1000 for each in turns] for name, turns in found.items()}
        for share in (0.5, 0.99)
    }
    rows = []
    for name, turns in found.items():
        took = [second for each in turns for second in each.get("took", ())]
        rows.append([
            name, spread(late[0.5][name], ".1f"), spread(late[0.99][name], ".1f"),
            ratio(late[0.99][name], late[0.99][NO_READERS]), sum(each["missed"] for each in turns),
            f"{sum(each['calls'] for each in turns) / sum(each['wall'] for each in turns):.1f}",
            spread([each["cpu"] / each["wall"] * 100 for each in turns], ".0f"),
            f"{len(took) / len(turns) / seconds:,.0f}" if took else "",
            f"{percentile(took, 0.5) * 1000:.0f}" if took else "",
            f"{percentile(took, 0.99) * 1000:.0f}" if took else "",
            sum(sum(each["wrong"].values()) for each in turns) if took else "",
        ])  # fmt: skip
    headings = [
        f"{size:,} targets; {'all paths' if len(paths) > 1 else f'`{paths[0]}`'}", "late, median (ms)",
        "late, 99th percentile (ms)", "relative to no readers, turn by turn", "polls missed", "polls a second",
        "% of a core", "responses a second", "response time, median (ms)", "99th percentile (ms)", "failed",
    ]  # fmt: skip
    return markdown(headings, rows)


def _levels(found: dict[str, list[dict[str, Any]]], after: dict[str, Any]) -> str:
    before = found[NO_READERS][0]
    full = [each for turns in zip(*(found[name] for name in PAUSES), strict=True) for each in turns]
    heard = sum(len(stream) for each in full for stream in each["streams"])
    failures: Counter[str] = sum((Counter(each["wrong"]) for each in full), Counter())
    memory = ", ".join(f"{each['resident'] / 1e6:.0f}" for each in full)
    return (
        f"Resident memory: {before['resident'] / 1e6:.0f} MB before, {memory} after each load, "
        f"{after['resident'] / 1e6:.0f} after all clients had left; files: {before['files']} before, {after['files']} "
        f"after; tasks: {before['tasks']} before, {after['tasks']} after. "
        f"{sum(len(each['streams']) for each in full):,} streams received {heard:,} events; "
        f"{sum(each['wrong_streams'] for each in full)} streams missed an event, or received one twice, incomplete or "
        f"out of order.{f' Failures: {dict(failures)}.' if failures else ''}"
    )
