"""Which files a configuration writes, so that none of them is written for two purposes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from watcher.config.sinks.file import FileSink
from watcher.stores import SQLITE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.config.faults import Faults
    from watcher.config.sinks import Sink
    from watcher.config.tree import Place

_OF_A_DATABASE = ("", "-wal", "-shm", "-journal", ".lock")
"""How the files end that belong to a database."""


def report_shared_files(state: str, sinks: Iterable[Sink], faults: Faults) -> None:
    """Report each file sink that would write to, or rotate into, a file of the state's or of another sink's."""
    kept = _state_files(state)
    first: dict[str, Place] = {}
    for sink in sinks:
        if not isinstance(sink, FileSink):
            continue
        place, files = sink.place("path"), _sink_files(sink)
        for number, file in enumerate(files):
            if file in kept or file in first:
                which = f"its older file, with .{number} at its end," if number else "this file"
                whose = "the one of `state`" if file in kept else f"another sink's, on line {first[file].line}"
                faults.report(place, f"{which} is {whose}; name another")
                break
        first = dict.fromkeys(files, place) | first


def _state_files(state: str) -> frozenset[str]:
    if not state.startswith(SQLITE):
        return frozenset()
    database = os.path.realpath(state.removeprefix(SQLITE))
    return frozenset(database + ending for ending in _OF_A_DATABASE)


def _sink_files(sink: FileSink) -> list[str]:
    """What it writes, and under which names the older ones are kept; the directory by its real name."""
    path = os.path.realpath(sink.path)
    return [path, *(f"{path}.{number}" for number in range(1, sink.keep + 1))]
