"""A place where the installed command runs: a configuration, a state file, an environment of its own, its children."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.support.fork_server import STARTS_PYTHON, ForkedProcess, fork
from tests.support.simulator import is_poll
from tests.support.waiting import PATIENCE, until
from watcher.sources.proton import TEMPLATE
from watcher.stores.sqlite import history

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.simulator import Simulator
    from watcher.core.history import HistoryRow
    from watcher.core.model import Target
    from watcher.simulator.server import Call

COMMAND = Path(sys.executable).with_name("watcher")
LAUNCHER = Path(__file__).with_name("kill_launcher.py")
REGION = "us-east-1"
SECRET = "a-secret-of-the-environment-4711"


class Child:
    """One run of the command; its output goes to files, or its stdout to where it was told."""

    def __init__(self, process: subprocess.Popen[bytes] | ForkedProcess, out: Path, err: Path, key: str) -> None:
        self.process, self.out, self.err, self.key = process, out, err, key
        self.reader: Reader | None = None

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself; whatever it said must be fit for people."""
        await until(lambda: not self.running, lambda: f"the end of a run; it said {self.said()}")
        assert "Traceback" not in self.said(), self.said()
        assert SECRET not in self.said()
        return int(self.process.returncode)

    async def stopped(self) -> int:
        """Its exit code after SIGTERM."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    def end(self) -> None:
        """End it, however it is."""
        if self.running:
            self.process.kill()
        self.process.wait()
        if self.reader:
            self.reader.output()
        elif self.process.stdout:
            self.process.stdout.close()

    def read(self) -> Child:
        """Read its stdout, a pipe, as it writes."""
        assert self.process.stdout
        self.reader = Reader(self.process.stdout)
        return self

    def printed(self) -> bytes:
        """What it wrote to its stdout: so far into a file, or once it has ended into a pipe that is read."""
        return self.reader.output() if self.reader else self.out.read_bytes()

    def delivered(self) -> bytes:
        """What it printed, without a last line that it did not end."""
        return self.printed()[: self.printed().rfind(b"\n") + 1]

    def said(self) -> str:
        return self.err.read_text(encoding="utf-8", errors="replace")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with this name."""
        lines = (json.loads(line) for line in self.said().splitlines() if line.startswith("{") and line.endswith("}"))
        return [line for line in lines if line.get("event") == event]


class Site:
    """A folder with one configuration and one state file. Each run signs with an access key of its own."""

    def __init__(self, folder: Path, simulator: Simulator | None = None, name: str = "site") -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.simulator = simulator
        self.name = name
        self.state = self.folder / "watcher.db"
        self.config = self.folder / "watcher.yaml"
        self.children: list[Child] = []
        self.forks = True
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_REGION": REGION,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if simulator:
            self.environment["AWS_ENDPOINT_URL"] = simulator.url

    def configure(self, targets: Iterable[Target], *more: str, interval: str = "100ms", first: str = "all") -> None:
        """Write the configuration: `targets` at an interval that a test has time for, and `more` lines."""
        named = {line.partition(":")[0] for line in more}
        usual = {
            "defaults": f"defaults: {{interval: {interval}, active_interval: {interval}, on_first_seen: {first}}}",
            "state": f"state: sqlite:///{self.state}",
            "http": "http: off",
            "rate_limit": "rate_limit: {requests_per_second: 500}",
            "shutdown_grace": "shutdown_grace: 10s",
            "retry": "retry: {attempts: 2, initial: 10ms, maximum: 50ms}",
        }
        lines = [*(line for name, line in usual.items() if name not in named), *more]
        rows: dict[str, list[str]] = {"templates": [], "stacks": []}
        for target in targets:
            named_by = ", ".join(f'{name}: "{value}"' for name, value in target.identity)
            rows["templates" if target.kind is TEMPLATE else "stacks"].append(f"  - {{{named_by}}}")
        for kind, listed in rows.items():
            lines += [f"{kind}:", *listed] if listed else []
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(
        self,
        *arguments: str,
        out: int | IO[bytes] | None = None,
        err: int | IO[bytes] | None = None,
        change: str | None = None,
        environment: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Child:
        """Start the command (`run` unless told otherwise); with `change`, after a change of `kill_launcher`.

        It starts by fork where nothing depends on the start of Python.
        """
        number = len(self.children)
        key = f"{self.name}-{number}"
        files = self.folder / f"{number}.out", self.folder / f"{number}.err"
        words = arguments or ("run",)
        env = {"AWS_ACCESS_KEY_ID": key, **self.environment, **(environment or {})}
        with files[0].open("wb") as own_out, files[1].open("wb") as own_err:
            stdout, stderr = own_out if out is None else out, own_err if err is None else err
            process: subprocess.Popen[bytes] | ForkedProcess
            if self.forks and not prefix and not any(name.startswith(STARTS_PYTHON) for name in env):
                process = fork([change or "", *words], cwd=self.folder, env=env, out=stdout, err=stderr)
            else:
                command = [str(COMMAND)] if change is None else [sys.executable, str(LAUNCHER), change]
                process = subprocess.Popen(
                    [*prefix, *command, *words],
                    cwd=self.folder,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                )
        self.children.append(Child(process, *files, key))
        return self.children[-1]

    async def run(self, *arguments: str, **how: Any) -> tuple[int, str, str]:
        """Run a command to its end: its exit code, what it printed, what it said."""
        child = self.start(*arguments, **how)
        code = await child.ended()
        return code, child.printed().decode(), child.said()

    def calls(self, child: Child | None = None) -> list[Call]:
        """The calls that arrived, or those of one run."""
        assert self.simulator
        return [call for call in self.simulator.calls if child is None or call.access_key == child.key]

    async def polled(self, child: Child, times: int = 1) -> None:
        """Wait until a run has made so many polls more."""

        def polls() -> int:
            return sum(map(is_poll, self.calls(child)))

        target = polls() + times
        await until(
            lambda: polls() >= target or not child.running,
            lambda: f"{times} polls; it said {child.said()}",
        )
        assert child.running, child.said()

    def kept(self) -> list[dict[str, Any]]:
        """The history in the state file."""
        return [json.loads(body) for (body,) in self.query("SELECT body FROM event ORDER BY number")]

    def rows(self) -> list[HistoryRow]:
        """The attempts, and the incidents that have ended, in the state file."""
        with self._reading() as connection:
            return [*history.read(connection)]

    def undelivered(self, *sinks: str) -> int:
        """How many deliveries wait: for these sinks, or for all."""
        waiting = self.query("SELECT sink FROM delivery WHERE state = 'waiting'")
        return sum(not sinks or sink in sinks for (sink,) in waiting)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into the state file."""
        with self._reading() as connection:
            return connection.execute(sql).fetchall()

    def _reading(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(f"{self.state.absolute().as_uri()}?mode=ro", uri=True, timeout=10))

    def end(self) -> None:
        """End every child."""
        for child in self.children:
            child.end()


class Reader:
    """The other end of a child's stdout: reads on a thread until the end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def output(self) -> bytes:
        """All that was written, once the writer has gone."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return b"".join(self._parts)

    def _read(self) -> None:
        while part := self._pipe.read1(65536):  # type: ignore[attr-defined]  # a BufferedReader
            self._parts.append(part)
        self._pipe.close()
