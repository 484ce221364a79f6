"""Runs the command, with one change for a test or as it is.

usage: launcher.py CHANGE COMMAND…, where CHANGE may be empty. With a store (see `crashing_stores` and `broken_stores`)
and CRASH_AT="PLACE:N", the process ends itself by SIGKILL the N-th time that the store comes to the place.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

import watcher.stores.sqlite.store
from tests.support.broken_stores import BREAKING
from tests.support.broken_tables import TABLES
from watcher.__main__ import main
from watcher.observability import emf

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.stores.sqlite.store import SqliteStore


def launch(change: str, *command: str) -> None:
    """Run the command in this process; with `change`, after the change of that name, or on the store of that name."""
    sys.argv = ["watcher", *command]
    if change in CHANGES:
        CHANGES[change]()
    elif change:
        _crash_in(BREAKING[change])
    main()


def _print_metrics_often() -> None:
    emf.LINE_SECONDS = 0.3


CHANGES: dict[str, Callable[[], None]] = {**TABLES, "metrics often": _print_metrics_often}
"""Changes of the command that end nothing, by their names."""


def _crash_in(store: type[SqliteStore]) -> None:
    """Let the daemon use this store, and end itself where it was told to."""
    place, _, count = os.environ.get("CRASH_AT", "nowhere:1").rpartition(":")
    left = int(count)

    def step(reached: str) -> None:
        nonlocal left
        left -= reached == place
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store.step = staticmethod(step)
    watcher.stores.sqlite.store.SqliteStore = store  # type: ignore[misc]  # what the daemon will use


if __name__ == "__main__":
    launch(*sys.argv[1:])
