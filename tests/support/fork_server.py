"""Starts processes of the command by fork from a server that has imported it: a start costs 0.05 s, not 0.8 s.

A forked process has its own arguments, environment, working directory, descriptors, signals and exit code. What it does
not do is start Python, import, and free every object at the end: tests of those start the command itself.

Run as a program, this module is the server: it listens on the Unix socket that is its stdin, and ends with its last
client. All processes of a run of the tests are clients of one server.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REQUEST_BYTES = 1 << 20
STARTING_SECONDS = 120.0
"""How long another process may take between its choice of the address and the start of the server."""

STARTS_PYTHON = ("PYTHON", "LANG", "LC_")
"""Beginnings of the names of variables that are read before the first line of a program."""


class ForkedProcess:
    """A process of the fork server; has what tests use of `subprocess.Popen`."""

    def __init__(self, connection: socket.socket, stdout: IO[bytes] | None) -> None:
        self.stdout = stdout
        self._connection = connection
        self.returncode: int | None = None
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the process runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """Wait for the end of the process; return its exit code."""
        if self.returncode is None:
            self.returncode = int(self._line())
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless the process has ended."""
        self.send_signal(signal.SIGKILL)

    def _line(self) -> bytes:
        text = self._connection.recv(32)
        assert text, "the fork server has ended"
        return text


def fork(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], out: int | IO[bytes], err: int | IO[bytes]
) -> ForkedProcess:
    """Start `tests.support.kill_launcher.launch(*arguments)` in a process of its own, without stdin."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe() if out == subprocess.PIPE else (-1, -1)
    with Path(os.devnull).open("r+b") as nothing, theirs:
        files = [nothing, {subprocess.PIPE: writing, subprocess.DEVNULL: nothing}.get(out, out), err]
        descriptors = [each if isinstance(each, int) else each.fileno() for each in files]
        request = json.dumps([list(arguments), str(cwd), dict(env)]).encode()
        assert len(request) < REQUEST_BYTES
        socket.send_fds(_server(), [request], [*descriptors, theirs.fileno()])
    if writing >= 0:
        os.close(writing)
    return ForkedProcess(ours, os.fdopen(reading, "rb") if reading >= 0 else None)


@cache
def _server() -> socket.socket:
    """Return a connection to the server of this run of the tests, which the first use starts."""
    address = f"\0watcher-tests-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    deadline = time.monotonic() + STARTING_SECONDS
    while connection.connect_ex(address):
        assert time.monotonic() < deadline, "the fork server does not start"
        _start(address)
    atexit.register(connection.close)
    return connection


def _start(address: str) -> None:
    """Start the server, unless another process has taken the address in order to start it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        try:
            listening.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return
        listening.listen()
        # Neither the working directory nor the environment of a test is the server's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WATCHER_"))}
        process = subprocess.Popen([sys.executable, __file__], stdin=listening.fileno(), env=environment, cwd="/")
    atexit.register(process.wait)


def _serve(listening: socket.socket) -> list[str]:
    """Fork a process for each request until the last client has gone; return, in each forked process, its arguments."""
    poll, clients, children = select.poll(), dict[int, socket.socket](), dict[int, tuple[int, socket.socket]]()
    poll.register(listening, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listening.fileno():
                connection, _ = listening.accept()
                clients[connection.fileno()] = connection
                poll.register(connection, select.POLLIN)
                continue
            if descriptor in children:
                poll.unregister(descriptor)
                os.close(descriptor)
                pid, waiting = children.pop(descriptor)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with waiting, contextlib.suppress(BrokenPipeError):
                    waiting.send(str(code).encode())
                continue
            request, descriptors, _, _ = socket.recv_fds(clients[descriptor], REQUEST_BYTES, 4)
            if not request:
                poll.unregister(descriptor)
                clients.pop(descriptor).close()
                if not clients:
                    os._exit(0)
                continue
            pid = os.fork()
            if pid == 0:
                for each in (listening, *clients.values(), *(waiting for _, waiting in children.values())):
                    each.detach()
                return _become(json.loads(request), descriptors)
            for each in descriptors[:3]:
                os.close(each)
            waiting = socket.socket(fileno=descriptors[3])
            waiting.send(str(pid).encode())
            watched = os.pidfd_open(pid)
            children[watched] = pid, waiting
            poll.register(watched, select.POLLIN)


def _become(request: list[Any], descriptors: list[int]) -> list[str]:
    """Take over what makes a process: its descriptors, working directory, environment and streams."""
    arguments, cwd, env = request
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, 4096)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        errors = "backslashreplace" if name == "stderr" else "surrogateescape"
        raw = os.fdopen(number, "rb" if number == 0 else "wb", closefd=False)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors=errors, line_buffering=name == "stderr")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return list(arguments)


def _end(codes: list[int]) -> None:
    """End the forked process with the code, after its threads and its other functions of `atexit` (this one runs last).

    Python would free all that the server had imported, which copies each page of it: 0.1 s of processor time.
    """
    for code in codes:
        with contextlib.suppress(OSError, ValueError):  # Python reports what cannot be written
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _import_all(package: str) -> None:
    """Import every module of the package, also those that a command imports late."""
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    _import_all("watcher")
    launcher = importlib.import_module("tests.support.kill_launcher")
    caches = importlib.import_module("tests.support.botocore_caches")
    caches.install()
    caches.fill()
    gc.freeze()
    launch: Callable[..., None] = launcher.launch
    command, codes = _serve(socket.socket(fileno=0)), list[int]()
    atexit.register(_end, codes)
    try:
        launch(*command)
    except SystemExit as end:
        codes.append(int(end.code or 0))
        raise
