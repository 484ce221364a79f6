"""The watcher's command in a process that ends itself by SIGKILL at a place told by the environment.

usage: launcher.py STORE COMMAND…, with CRASH_AT="PLACE:N": the N-th time that the store (see `crashing` and
`breaking`) comes there. One of `broken_tables` is only broken.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import watcher.stores.sqlite
from tests.acceptance.breaking import BREAKING
from tests.broken_tables import TABLES
from watcher.cli import main


def _launch(store: str, command: list[str]) -> None:
    if store in TABLES:
        TABLES[store]()
        main(command)
    place, _, count = os.environ.get("CRASH_AT", "nowhere:1").rpartition(":")
    left = int(count)

    def step(reached: str) -> None:
        nonlocal left
        left -= reached == place
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    chosen = BREAKING[store]
    chosen.step = staticmethod(step)
    watcher.stores.sqlite.SqliteStore = chosen  # type: ignore[misc]  # what the daemon will use
    main(command)


_launch(sys.argv[1], sys.argv[2:])
