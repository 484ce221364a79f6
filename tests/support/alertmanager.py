"""A real Alertmanager, as Debian has it, and what it notifies."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import yaml
from aiohttp import ClientError, ClientSession, web

from tests.support.ports import unused_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROGRAM = shutil.which("prometheus-alertmanager")
MISSING = "Debian has prometheus-alertmanager"

Notices = list[tuple[str, str]]


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Notices, str]]:
    """The name and the status of each alert that Alertmanager sends to the address that comes with them."""
    notices: Notices = []

    async def take(request: web.BaseRequest) -> web.Response:
        notices.extend((each["labels"]["alertname"], each["status"]) for each in (await request.json())["alerts"])
        return web.Response()

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield notices, f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def child(program: str | None, *arguments: str, folder: Path, port: int) -> AsyncIterator[None]:
    """A program that is ready; ended with the block."""
    assert program
    with (folder / f"{port}.log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(program, *arguments, cwd=folder, stdout=log, stderr=log)
    try:
        async with ClientSession() as session:
            while not await _ready(session, f"http://127.0.0.1:{port}/-/ready"):
                assert running.returncode is None, (folder / f"{port}.log").read_text()
                await asyncio.sleep(0.1)
        yield
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


class Alertmanager:
    """One that notifies `hook` a second after a change, and can be started again at the same address."""

    def __init__(self, folder: Path, hook: str, **more: Any) -> None:
        self.port = unused_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        form = {
            # Shorter than any test: an alert without an end of its own would be resolved after that.
            "global": {"resolve_timeout": "1s"},
            "route": {"receiver": "hook", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"},
            "receivers": [{"name": "hook", "webhook_configs": [{"url": hook, "send_resolved": True}]}],
        }
        (folder / f"{self.port}.yaml").write_text(yaml.safe_dump(form | more), encoding="utf-8")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It answers, until the block ends."""
        async with child(
            PROGRAM,
            f"--config.file={self.port}.yaml",
            f"--storage.path={self.port}",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{self.port}",
            folder=self._folder,
            port=self.port,
        ):
            yield

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are open."""
        async with ClientSession() as session, session.get(f"{self.url}/api/v2/alerts") as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found


async def _ready(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except ClientError:
        return False
