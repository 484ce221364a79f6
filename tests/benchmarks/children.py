"""The processes of a benchmark: one module of this package each, spoken to in lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDING = 30.0
"""Seconds that a process has to end when it is asked to."""

AWS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class Child:
    """A process that runs `tests.benchmarks.<module>` and was given a job; ends with the `with` block."""

    def __init__(self, module: str, job: Mapping[str, Any]) -> None:
        self._module = module
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in __exit__
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=surroundings | AWS,
            text=True,
        )
        self._tell(job)

    def ask(self, question: object) -> Any:
        """What the process replies."""
        self._tell(question)
        return self.reply()

    def reply(self) -> Any:
        """The next thing that the process says.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(ENDING)
            self._complaints.seek(0)
            raise RuntimeError(f"the process `{self._module}` ended early:\n{self._complaints.read()[-3000:]}")
        return json.loads(line)

    def __enter__(self) -> Self:
        """Let it work; it was started when it was made."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say that there is nothing more, and wait for its end; kill it if that does not come."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._complaints.close()

    def _tell(self, what: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()


def wait_for_even_polls(interval: float, seconds: float) -> None:
    """Wait for a moment at which a daemon that starts polls evenly for so many `seconds`.

    A start looks at every target once within `interval`. From the monotonic clock's next multiple of it on, targets are
    polled where their phases lie as well: twice as often, until the first look is over (`watcher.polling.schedule`).
    """
    left = interval - time.monotonic() % interval
    if left < seconds < interval:
        time.sleep(left)


def once(module: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """What a process replies to its job; it has ended then. `started` is when it was started (monotonic seconds)."""
    with Child(module, job) as child:
        return {**child.reply(), "started": child.started}
