"""How many files, sockets among them, the process may have open."""

from __future__ import annotations

import contextlib
import resource

WANTED = 65_536
"""More than the daemon's own use, its sinks' and all of its readers' together."""


def allow_more_files() -> None:
    """Raise the soft limit as far as the hard one allows: the usual 1,024 is a relic of `select`, which is not used."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
