"""Runs the command, or the command in a process that ends itself by SIGKILL at a place named by the environment.

usage: launcher.py STORE COMMAND…, with CRASH_AT="PLACE:N": the N-th time that the store (see `crashing_stores`
and `broken_stores`) comes there. One of `broken_tables` is only broken. STORE may be empty.
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

if TYPE_CHECKING:
    from watcher.stores.sqlite.store import SqliteStore


def launch(store: str, *command: str) -> None:
    """Run the command in this process; with `store`, on one of that name."""
    sys.argv = ["watcher", *command]
    if store in TABLES:
        TABLES[store]()
    elif store:
        _crash_in(BREAKING[store])
    main()


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
