"""What the system tells of a running process: how much memory, how many files and threads it has."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


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


def heeds(pid: int, number: int) -> bool:
    """Whether a signal would not end a process by default, since it catches or ignores it: `SigCgt`, `SigIgn`.

    Raises:
        OSError: it is gone.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    masks = re.findall(r"^Sig(?:Cgt|Ign):\t(\w+)$", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def processor_time(pid: int) -> float:
    """Seconds of the processor that a process has used, proc(5): its `utime` and `stime`.

    Raises:
        OSError: it is gone.
    """
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
