"""`python -m watcher`, and the `watcher` command.

What a signal does is decided here, before anything slow is loaded, in three stages: until a command begins it ends the
process at once, then it interrupts the command, and once the exit code is known it does nothing.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys

TYPE_CHECKING = False  # typing itself would be loaded before a signal is heard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object] | signal.Handlers

DAEMONS = ("run", "simulate", "demo")

INTERRUPTED = {**dict.fromkeys(DAEMONS, 0), "check": 3, "healthcheck": 1, "state": 130}
"""The exit code of a command that a signal ended early; any other command ends by the signal itself."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    code = INTERRUPTED.get(command)
    if command == "run":
        # Asked to read the configuration again before it was read.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    numbers = [signal.SIGINT] if code is None else [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    # What the parent process had ignored (nohup, a shell in the background) stays ignored.
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    # Nothing is open yet, and an exception could be lost within an import.
    _on(numbers, signal.SIG_DFL if code is None else lambda *_: os._exit(code))
    # The last of all: then Python gives every signal that is not ignored its default meaning back.
    atexit.register(_on, [*numbers, signal.SIGHUP] if command == "run" else numbers, signal.SIG_IGN)
    from watcher.cli import main as run_command  # noqa: PLC0415  so that the above comes first

    _on(numbers, signal.default_int_handler)
    _on({*numbers} - {signal.SIGINT}, _interrupt)
    try:
        run_command(interrupted=code)
    except KeyboardInterrupt:
        if code is not None:
            sys.exit(code)
        _on(numbers, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    except SystemExit as end:
        known = int(end.code or 0)
        # Threads are still waited for, and one may hang.
        _on(numbers, lambda *_: os._exit(known))
        raise


def _on(numbers: Iterable[signal.Signals], handler: Handler) -> None:
    for number in numbers:
        signal.signal(number, handler)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Do what SIGINT does at this moment: asyncio cancels what runs, anything else is interrupted where it is."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


if __name__ == "__main__":
    main()
