"""The files that a configuration writes, none of which may be written for two purposes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from watcher.config.tree import Place
from watcher.core.settings import Config
from watcher.core.state_url import SQLITE

if TYPE_CHECKING:
    from watcher.config.faults import Faults
    from watcher.config.schema import File  # loads pydantic

_OF_A_DATABASE = ("", "-wal", "-shm", "-journal", ".lock")
"""The suffixes of the files that belong to a database."""


def report_shared_files(file: File, state: str, faults: Faults) -> None:
    """Report each sink that would write to a file that is in use or that it must not overwrite.

    Also report a `state` that names the configuration's own file.
    """
    known = _own_files(faults.files, state)
    if not _state_files(state).isdisjoint(map(os.path.realpath, faults.files)):
        faults.report(file.place("state"), "this file is the configuration; name another file")
    where: dict[str, Place] = {}
    for sink in file.sinks:
        place, files = sink.place("path"), sink.written_files()
        for path, called in files.items():
            use = known.get(path)
            if use is None and path in where:
                use = f"used by another sink, on {where[path].line_beside(place)}"
            if use is not None or not sink.may_write(path):
                what = f"is {use}" if use is not None else "holds something other than events"
                faults.report(place, f"{called} {what}; name another file")
                break
        where |= dict.fromkeys(files.keys() - where.keys(), place)


def files_in_use(config: Config) -> dict[str, str]:
    """Return the files that a daemon with this configuration uses, by real path, each with its use for messages."""
    of_sinks = {path: "used by a sink" for sink in config.sinks for path in sink.options.written_files()}
    return of_sinks | _own_files(config.files, config.state)


def _own_files(files: Iterable[str], state: str) -> dict[str, str]:
    used = dict.fromkeys(_state_files(state), "used by `state`")
    return used | dict.fromkeys(map(os.path.realpath, files), "the configuration")


def _state_files(state: str) -> frozenset[str]:
    if not state.startswith(SQLITE):
        return frozenset()
    database = os.path.realpath(state.removeprefix(SQLITE))
    return frozenset(database + ending for ending in _OF_A_DATABASE)
