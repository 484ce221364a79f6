"""`python -m watcher`, and the `watcher` command.

The signal handlers are set here, before anything slow is loaded. A signal ends the process at once until a command
begins, then interrupts the command, and does not change the exit code once it is known.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys

TYPE_CHECKING = False  # importing typing would delay the handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object] | signal.Handlers

DAEMONS = ("run", "simulate", "demo")

INTERRUPTED = {**dict.fromkeys(DAEMONS, 0), "check": 3, "healthcheck": 1, "state": 130}
"""Exit codes of commands that were interrupted by a signal; any other command ends by the signal itself."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    code = INTERRUPTED.get(command)
    if command == "run":
        # A request to read the configuration again, before it has been read once.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    # What the parent process had ignored (nohup, a shell in the background) stays ignored.
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    # Nothing is open yet, and an exception raised during an import could be lost.
    _on(numbers, signal.SIG_DFL if code is None else lambda *_: os._exit(code))
    # Runs last: after it Python restores the default of every signal that is not ignored.
    atexit.register(_on, [*numbers, signal.SIGHUP] if command == "run" else numbers, signal.SIG_IGN)
    from watcher.cli import main as run_command  # noqa: PLC0415  so that the above comes first

    _on(numbers, signal.default_int_handler)
    _on({*numbers} - {signal.SIGINT}, _end_by if code is None else _interrupt)
    try:
        run_command(interrupted=code)
    except KeyboardInterrupt:
        if code is not None:
            sys.exit(code)
        _on(numbers, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    except SystemExit as end:
        known = int(end.code or 0)
        # Python still joins its threads, and one may hang.
        _on(numbers, lambda *_: os._exit(known))
        raise


def _on(numbers: Iterable[signal.Signals], handler: Handler) -> None:
    for number in numbers:
        signal.signal(number, handler)


def _end_by(number: int, _: FrameType | None) -> None:
    """End the process by this signal, and every `credential_process` that it started."""
    processes = sys.modules.get("watcher.aws.credential_process")
    if processes is not None:
        processes.kill_all()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Do what SIGINT does at this moment: `run_to_end` cancels its coroutine, other code gets `KeyboardInterrupt`."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


if __name__ == "__main__":
    main()
