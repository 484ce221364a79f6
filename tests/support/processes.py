"""Which processes of a test run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def alive(pids: Path) -> list[str]:
    """The processes whose ids are in the file and that run, zombies apart."""
    states = []
    for pid in pids.read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):
            states += [pid] if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" else []
    return states
