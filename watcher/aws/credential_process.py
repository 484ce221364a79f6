"""Runs a profile's `credential_process`: without a terminal, limited in time and output, and killed with its children.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from watcher.errors import EndpointUnreadable
from watcher.util.redaction import redacted_excerpt, remember
from watcher.util.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROCESS_SECONDS = 25.0
"""Seconds that a process may run."""

MAX_OUTPUT_BYTES = 64 * 1024

_SECRET_NAME = re.compile(r"(?i)pass|secret|token|key|auth|cred")

_groups: set[int] = set()
"""The process groups that are running."""


async def start(profile: str, *command: str, **pipes: Any) -> CredentialProcess:
    """Start the command; the arguments after `profile` are passed by botocore's provider.

    The process leads its own session: it has no terminal to prompt on, and is killed together with its children.

    Raises:
        EndpointUnreadable: the command cannot be started.
    """
    remember(*_secret_arguments(command))
    # A variable before the command, as a shell would set it, may be a secret; it is taken for the command's name.
    first = re.sub(r"(?s)^(\w+=).+", r"\1…", command[0]) if command else ""
    what = f"profile {profile!r}: its credential_process {first!r}"
    try:
        # Not asyncio's: a start that is cancelled there leaves the children of the process running.
        process = subprocess.Popen(  # noqa: ASYNC220, S603  short; the command is the operator's
            command, stdin=subprocess.DEVNULL, start_new_session=True, **pipes
        )
    except (OSError, ValueError, TypeError, IndexError) as error:  # IndexError: the command is empty
        reason = getattr(error, "strerror", None) or "it is not a command"
        raise EndpointUnreadable("CredentialProcessFailed", f"{what} cannot be started: {reason}") from error
    _groups.add(process.pid)
    return CredentialProcess(process, what)


def _secret_arguments(command: Sequence[str]) -> Iterator[str]:
    """Yield the values of options whose names say that they are secret: the command may repeat them in its errors."""
    for option, following in pairwise([*command, ""]):
        name, _, value = option.partition("=")
        if name.startswith("-") and _SECRET_NAME.search(name):
            yield value or following


def kill_all() -> None:
    """Kill every running process with its children, when the daemon itself is ended by a signal."""
    started = ""
    with contextlib.suppress(OSError):  # not Linux
        started = Path("/proc/thread-self/children").read_text()
    # A process whose start was interrupted is not in `_groups` yet.
    for group in {*_groups, *map(int, started.split())}:
        _kill(group)


class CredentialProcess:
    """A running process, with the interface that botocore's provider uses; `what` names profile and command."""

    returncode = 0
    """Always 0: `communicate` raises an error for any other exit code."""

    def __init__(self, process: subprocess.Popen[bytes], what: str) -> None:
        self._process = process
        self._what = what

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return what the process printed on stdout and stderr; afterwards it has ended, in every case.

        Raises:
            EndpointUnreadable: the process failed, printed too much or did not end in time.
        """
        process = self._process
        reading = [asyncio.ensure_future(self._read(pipe)) for pipe in (process.stdout, process.stderr)]
        try:
            async with asyncio.timeout(PROCESS_SECONDS):
                out, err = await asyncio.gather(*reading)
                await self._ended()
        except TimeoutError:
            raise self._failed(f"did not end within {format_duration(PROCESS_SECONDS)}, and was killed") from None
        finally:
            # A child in a group of its own may still hold the pipes.
            for task in reading:
                task.cancel()
            _kill(process.pid)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10.0):  # only a process that the kernel blocks takes longer
                    await self._ended()
        code = process.returncode
        if code != 0:
            last = err.decode(errors="replace").strip().rpartition("\n")[2]
            raise self._failed(f"ended with {code}: {redacted_excerpt(last, 300) or 'nothing on stderr'}")
        return out, err

    async def _ended(self) -> None:
        while self._process.poll() is None:  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.01)

    async def _read(self, pipe: IO[bytes] | None) -> bytes:
        read, reader = b"", asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while more := await reader.read(MAX_OUTPUT_BYTES):
                read += more
                if len(read) > MAX_OUTPUT_BYTES:
                    raise self._failed(f"printed more than {MAX_OUTPUT_BYTES} bytes, and was killed")
        finally:
            transport.close()
        return read

    def _failed(self, text: str) -> EndpointUnreadable:
        return EndpointUnreadable("CredentialProcessFailed", f"{self._what} {text}", passing=True)


def _kill(group: int) -> None:
    _groups.discard(group)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
