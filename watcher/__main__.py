"""`python -m watcher`, and the `watcher` command."""

from __future__ import annotations

import signal
import sys

DAEMONS = ("run", "simulate", "demo")


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if sys.argv[1:2] and sys.argv[1] in DAEMONS:
        # Told to stop before it could begin: there is nothing to put in order yet.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        # Asked to read the configuration again before it was read.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from watcher.cli import main as run_command  # noqa: PLC0415  so that the above comes first

    run_command()


if __name__ == "__main__":
    main()
