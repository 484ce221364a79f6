"""Which files a configuration writes, so that none of them is written for two purposes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.config.sinks.file import FileSink
from watcher.core.state_url import SQLITE

if TYPE_CHECKING:
    from watcher.config.faults import Faults
    from watcher.config.schema import File
    from watcher.core.settings import Config

_OF_A_DATABASE = ("", "-wal", "-shm", "-journal", ".lock")
"""How the files end that belong to a database."""

EVENT_BEGINNING = b'{"specversion"'
"""The first bytes of every line that a file sink writes."""


def report_shared_files(file: File, faults: Faults) -> None:
    """Report each file sink that would write to, or rotate into, a file that is in use or holds anything but events.

    Also report a `state` that names the configuration's own file.
    """
    known = _own_files(faults.file, file.state)
    if os.path.realpath(faults.file) in _state_files(file.state):
        faults.report(file.place("state"), "this file is the configuration; name another file")
    for sink in file.sinks:
        if not isinstance(sink, FileSink):
            continue
        place, files = sink.place("path"), _sink_files(sink)
        for number, path in enumerate(files):
            what = f"is {known[path]}" if path in known else "holds something other than events"
            if path in known or not _may_hold_events(path):
                which = f"its older file, with .{number} at its end," if number else "this file"
                faults.report(place, f"{which} {what}; name another file")
                break
        known = dict.fromkeys(files, f"used by another sink, on line {place.line}") | known


def files_in_use(config: Config) -> dict[str, str]:
    """The files that a daemon with this configuration uses, by real path, each with its use in words for messages."""
    sinks = [sink.options for sink in config.sinks if isinstance(sink.options, FileSink)]
    of_sinks = {file: "used by a sink" for sink in sinks for file in _sink_files(sink)}
    return of_sinks | _own_files(config.place, config.state)


def _own_files(place: str, state: str) -> dict[str, str]:
    files = dict.fromkeys(_state_files(state), "used by `state`")
    return files | {os.path.realpath(place): "the configuration"}


def _may_hold_events(file: str) -> bool:
    """Whether a file begins with an event or a part of one, is empty, does not exist or cannot be read."""
    path = Path(file)
    try:
        if not path.is_file():
            return True
        with path.open("rb") as opened:
            return EVENT_BEGINNING.startswith(opened.read(len(EVENT_BEGINNING)))
    except OSError:
        return True


def _state_files(state: str) -> frozenset[str]:
    if not state.startswith(SQLITE):
        return frozenset()
    database = os.path.realpath(state.removeprefix(SQLITE))
    return frozenset(database + ending for ending in _OF_A_DATABASE)


def _sink_files(sink: FileSink) -> list[str]:
    """What it writes, and under which names the older ones are kept; the directory by its real name."""
    path = os.path.realpath(sink.path)
    return [path, *(f"{path}.{number}" for number in range(1, sink.keep + 1))]
