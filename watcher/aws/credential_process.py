"""Runs a profile's `credential_process`: without a terminal, limited in time and output, and killed with its children.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from watcher.config.duration import format_duration
from watcher.errors import EndpointUnreadable
from watcher.redact import excerpt

if TYPE_CHECKING:
    from asyncio.subprocess import Process

PROCESS_SECONDS = 25.0
"""Seconds that a process may run."""

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
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True, **pipes
        )
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a command"
        raise EndpointUnreadable("CredentialProcessFailed", f"{what} cannot be started: {reason}") from error
    _groups.add(process.pid)
    return CredentialProcess(process, what)


def kill_all() -> None:
    """Kill every running process with its children: for a daemon that ends immediately."""
    for group in tuple(_groups):
        _kill(group)


class CredentialProcess:
    """A running process, with the interface that botocore's provider uses."""

    returncode = 0
    """Always 0: `communicate` raises an error for any other exit code."""

    def __init__(self, process: Process, what: str) -> None:
        """`what` names the profile and the command."""
        self._process = process
        self._what = what

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return what the process printed on stdout and stderr; afterwards it has ended, in every case.

        Raises:
            EndpointUnreadable: the process failed, printed too much or did not end in time.
        """
        process = self._process
        try:
            async with asyncio.timeout(PROCESS_SECONDS):
                out, err = await asyncio.gather(_read(process.stdout), _read(process.stderr))
                code = await process.wait()
        except TimeoutError:
            raise self._failed(f"did not end within {format_duration(PROCESS_SECONDS)}, and was killed") from None
        except _TooLongError:
            raise self._failed(f"printed more than {MAX_OUTPUT_BYTES} bytes, and was killed") from None
        finally:
            _kill(process.pid)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(process.wait())
        if code != 0:
            last = err.decode(errors="replace").strip().rpartition("\n")[2]
            raise self._failed(f"ended with {code}: {excerpt(last, MAX_ERROR_LETTERS) or 'nothing on stderr'}")
        return out, err

    def _failed(self, text: str) -> EndpointUnreadable:
        return EndpointUnreadable("CredentialProcessFailed", f"{self._what} {text}", passing=True)


class _TooLongError(Exception):
    """The process printed more than `MAX_OUTPUT_BYTES`."""


async def _read(pipe: asyncio.StreamReader | None) -> bytes:
    read = b""
    while pipe is not None and (more := await pipe.read(MAX_OUTPUT_BYTES)):
        read += more
        if len(read) > MAX_OUTPUT_BYTES:
            raise _TooLongError
    return read


def _kill(group: int) -> None:
    _groups.discard(group)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
