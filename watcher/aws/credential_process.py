"""Runs a profile's `credential_process`: without a terminal, limited in time and output, and killed with its children.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.config.duration import format_duration
from watcher.errors import EndpointUnreadable
from watcher.redact import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

PROCESS_SECONDS = 25.0
"""Seconds that a process may run."""

KILLED_SECONDS = 1.0
"""Seconds to wait for the end of a process that was killed; longer only if the kernel blocks it."""

MAX_OUTPUT_BYTES = 64 * 1024

MAX_ERROR_LETTERS = 300
"""Characters of the last line on stderr that are reported."""

_groups: set[int] = set()
"""The process groups that are running."""


async def start(profile: str, *command: str, **pipes: Any) -> CredentialProcess:
    """Start the command; the arguments after `profile` are passed by botocore's provider.

    The process leads its own session: it has no terminal to prompt on, and is killed together with its children.

    Raises:
        EndpointUnreadable: the command cannot be started.
    """
    what = f"profile {profile!r}: its credential_process {command[0] if command else ''!r}"
    loop = asyncio.get_running_loop()
    try:
        transport, output = await loop.subprocess_exec(
            _Output, *command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True, **pipes
        )
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a command"
        raise EndpointUnreadable("CredentialProcessFailed", f"{what} cannot be started: {reason}") from error
    _groups.add(transport.get_pid())
    return CredentialProcess(transport, output, what)


def kill_all() -> None:
    """Kill every process that runs, with its children: for a process that ends at once, by a signal."""
    started = ""
    with contextlib.suppress(OSError):  # not Linux
        started = Path("/proc/thread-self/children").read_text()
    # A process whose start was interrupted is not in `_groups` yet.
    for group in {*_groups, *map(int, started.split())}:
        _kill(group)


class CredentialProcess:
    """A running process, with the interface that botocore's provider uses."""

    returncode = 0
    """Always 0: `communicate` raises an error for any other exit code."""

    def __init__(self, transport: asyncio.SubprocessTransport, output: _Output, what: str) -> None:
        """`what` names the profile and the command."""
        self._transport = transport
        self._output = output
        self._what = what

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return what the process printed on stdout and stderr; afterwards it has ended, in every case.

        Raises:
            EndpointUnreadable: the process failed, printed too much or did not end in time.
        """
        output = self._output
        try:
            async with asyncio.timeout(PROCESS_SECONDS):
                await output.whole
        except TimeoutError:
            raise self._failed(f"did not end within {format_duration(PROCESS_SECONDS)}, and was killed") from None
        except _TooLongError:
            raise self._failed(f"printed more than {MAX_OUTPUT_BYTES} bytes, and was killed") from None
        finally:
            _kill(self._transport.get_pid())
            try:
                await asyncio.wait([output.exited], timeout=KILLED_SECONDS)
            finally:
                # A child in a group of its own may still hold the pipes.
                self._transport.close()
        code, out, err = self._transport.get_returncode(), *map(bytes, output.printed.values())
        if code != 0:
            last = err.decode(errors="replace").strip().rpartition("\n")[2]
            raise self._failed(f"ended with {code}: {excerpt(last, MAX_ERROR_LETTERS) or 'nothing on stderr'}")
        return out, err

    def _failed(self, text: str) -> EndpointUnreadable:
        return EndpointUnreadable("CredentialProcessFailed", f"{self._what} {text}", passing=True)


class _TooLongError(Exception):
    """The process printed more than `MAX_OUTPUT_BYTES`."""


class _Output(asyncio.SubprocessProtocol):
    """Collects the output of a process."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.printed = {1: bytearray(), 2: bytearray()}
        self.exited: asyncio.Future[None] = loop.create_future()
        self.whole: asyncio.Future[None] = loop.create_future()
        """Done when the process has ended and its pipes are closed."""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.printed[fd] += data
        if len(self.printed[fd]) > MAX_OUTPUT_BYTES:
            self._settle(self.whole.set_exception, _TooLongError())

    def process_exited(self) -> None:
        self.exited.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        self._settle(self.whole.set_result, None)

    def _settle(self, settle: Callable[[Any], None], outcome: object) -> None:
        if not self.whole.done():
            settle(outcome)


def _kill(group: int) -> None:
    _groups.discard(group)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
