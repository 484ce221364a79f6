"""What a signal does before a command begins, while it works, and while the process ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import NETWORK
from tests.contract.conftest import event
from tests.support.waiting import PATIENCE, until
from watcher.stores.transfer import Recorded, lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.installed_command import Site

HELD = """
import atexit, select, sys

def hold(stage):
    print(stage, flush=True)
    # A signal that arrives before a call waits does not end the wait: its handler runs when the call returns.
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        pass

class Held:
    def find_spec(self, name, *_):
        if name == "watcher.cli":
            hold("beginning")

atexit.register(hold, "ending")
sys.meta_path.insert(0, Held())
sys.argv[0] = "watcher"
from watcher.__main__ import main
main()
"""
"""The command, held before it is loaded and again while the process ends, until its input is closed."""


def held(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", HELD, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout
    assert child.stdout.readline() == b"beginning\n"
    return child


def code_of(child: subprocess.Popen[bytes]) -> int:
    """The exit code, once the input is closed; without a traceback."""
    _, said = child.communicate(timeout=PATIENCE)
    assert b"Traceback" not in said, said
    return child.returncode


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("run", signal.SIGTERM, 0),
        ("demo", signal.SIGHUP, 0),
        ("simulate", signal.SIGINT, 0),
        ("check", signal.SIGTERM, 3),
        ("healthcheck", signal.SIGINT, 1),
        ("state import x", signal.SIGTERM, 130),
        ("state init", signal.SIGINT, 130),
        ("validate", signal.SIGTERM, -signal.SIGTERM),
        ("validate", signal.SIGINT, -signal.SIGINT),
    ],
)
def test_a_signal_before_a_command_begins_ends_it_with_its_exit_code(
    tmp_path: Path, command: str, number: signal.Signals, code: int
) -> None:
    with held(tmp_path, *command.split()) as child:
        child.send_signal(number)
        assert child.wait(60) == code
        assert code_of(child) == code


def test_nothing_slow_is_loaded_before_signals_are_heard() -> None:
    """`re` is what pip's own script loads."""
    script = "import re, sys; before = {*sys.modules}; import watcher.__main__; print(*{*sys.modules} - before)"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert {*told.split()} <= {"__future__", "atexit", "signal", "watcher", "watcher.__main__"}


def test_a_hangup_before_the_daemon_is_loaded_does_not_end_it(tmp_path: Path) -> None:
    with held(tmp_path, "run", "--config", "nowhere.yaml") as child:
        child.send_signal(signal.SIGHUP)
        assert code_of(child) == 78


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_the_process_ends_does_not_change_its_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    release = HELD.replace('hold("beginning")', 'print("beginning", flush=True)')
    with subprocess.Popen(
        [sys.executable, "-c", release, "run", "--config", "nowhere.yaml"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout
        assert [child.stdout.readline() for _ in range(2)] == [b"beginning\n", b"ending\n"]
        child.send_signal(number)
        assert code_of(child) == 78


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_an_import_that_is_interrupted_while_it_reads_ends_with_130(site: Site, number: signal.Signals) -> None:
    site.configure([NETWORK])
    os.mkfifo(site.folder / "pipe")
    child = site.start("state", "import", "pipe")
    with (site.folder / "pipe").open("w", encoding="utf-8") as pipe:  # open once the import is
        pipe.writelines(f"{line}\n" for line in [*lines([Recorded(1, 1e9, event(1))])][:-1])
        pipe.flush()
        child.signal(number)
        assert await child.ended() == 130
    assert not site.state.exists()


@pytest.mark.parametrize("command", [("init",), ("export", "state.jsonl")])
async def test_a_state_command_that_waits_for_a_table_ends_with_130(site: Site, command: Sequence[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        site.configure([NETWORK], f'state: "dynamodb://watcher?region=us-east-1&endpoint_url={url}"')
        child = site.start("state", *command)
        silent.settimeout(60)
        with silent.accept()[0]:
            child.signal(signal.SIGTERM)
            assert await child.ended() == 130
    await until(lambda: not (site.folder / "state.jsonl").exists(), "nothing being written")
