"""The limit of open files, sockets included."""

import contextlib
import resource

WANTED = 65_536
"""More than polls, sinks and all HTTP clients need together."""


def allow_more_files() -> None:
    """Raise the soft limit as far as the hard one allows; the usual 1,024 is for `select`, which is not used here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
