"""A reader that has seen enough, as `| head` is one: no command tells it a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WATCHER = str(Path(sys.executable).with_name("watcher"))


@pytest.mark.parametrize(
    "arguments",
    [["demo", "--for", "30s"], ["demo", "--json", "--for", "30s"], ["schema"], ["--help"]],
    ids=" ".join,
)
def test_a_reader_that_goes_ends_a_command_quietly(arguments: list[str]) -> None:
    with subprocess.Popen([WATCHER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline()
        child.stdout.close()
        told = child.stderr.read()
        assert child.wait(timeout=25) == 0
    assert told == b""
