"""A `credential_process` leaves nothing open, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.support.waiting import until
from watcher.aws import credential_process
from watcher.errors import EndpointUnreadable


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def test_a_child_that_left_the_group_and_holds_the_pipes_keeps_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential_process, "PROCESS_SECONDS", 0.5)
    pid = tmp_path / "pid"
    command = ("sh", "-c", f"setsid sleep 600 & echo $! > {pid}; sleep 600")
    pipes = dict.fromkeys(("stdout", "stderr"), asyncio.subprocess.PIPE)
    await (await credential_process.start("team", "true", **pipes)).communicate()  # what asyncio opens for all
    before = open_files(), len(asyncio.all_tasks())
    process = await credential_process.start("team", *command, **pipes)
    try:
        with pytest.raises(EndpointUnreadable, match="did not end within"):
            async with asyncio.timeout(20):
                await process.communicate()
        await until(lambda: (open_files(), len(asyncio.all_tasks())) == before, "nothing left open")
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)
