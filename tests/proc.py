"""What the system tells of a running process: how much memory, how many files and threads it has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")


class Footprint(NamedTuple):
    """At one moment: bytes of resident memory, open file descriptors (sockets among them), threads."""

    resident: int
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Footprint:
        """Of a process of ours.

        Raises:
            OSError: it is gone.
        """
        own = Path(f"/proc/{pid}")
        resident = int((own / "statm").read_text(encoding="ascii").split()[1]) * PAGE
        return cls(resident, *(len([*(own / what).iterdir()]) for what in ("fd", "task")))
