"""The clients of a daemon in a long run: a page in a browser, Prometheus, a health check, and a webhook's receiver.

Their intervals are in simulated time, which runs `pace` times as fast as real time. They count what they do.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Self

from aiohttp import ClientError, ClientSession, ClientTimeout, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOOK, SCRAPE, CHECK, REOPEN = 30.0, 15.0, 30.0, 3600.0
"""Simulated seconds between a page's refreshes, scrapes by Prometheus, health checks, and reopenings of the page."""

OUT_EVERY, OUT_FOR = 12 * 3600.0, 3600.0
"""Simulated seconds between the beginnings of the receiver's outages, and how long one lasts."""

POISON = 50
"""One event in this many is permanently refused."""

SHOWN = ("/api/status", "/api/targets", "/api/endpoints", "/api/sinks")


class Receiver:
    """Receives a webhook's events, has outages, refuses some events for good, and records missing sequences."""

    def __init__(self, pace: float, uncounted: str) -> None:
        """The sequences of subjects that contain `uncounted` may start again, and are not checked."""
        self.pace = pace
        self.url = ""
        self.done: Counter[str] = Counter()
        self.missing: list[str] = []
        self._uncounted = uncounted
        self._last: dict[str, int] = {}
        self._began = 0.0

    async def __aenter__(self) -> Self:
        """Start to listen."""
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        self._began = asyncio.get_running_loop().time()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _hook(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        world = (asyncio.get_running_loop().time() - self._began) * self.pace
        if world % OUT_EVERY > OUT_EVERY - OUT_FOR:
            self.done["refused for now"] += 1
            return web.Response(status=503)
        subject, sequence = event["subject"], event["data"].get("sequence")
        if sequence is not None and self._uncounted not in subject:
            last = self._last.get(subject, 0)
            if sequence > last + 1:
                self.missing.append(f"{subject}: {sequence} after {last}")
            self._last[subject] = max(last, sequence)
        if int(event["id"], 16) % POISON == 0:
            self.done["permanently refused"] += 1
            return web.Response(status=422)
        self.done["taken"] += 1
        return web.Response()


class Clients:
    """The HTTP clients of the daemon at `url`, which needs no token."""

    def __init__(self, url: str, pace: float) -> None:
        """Nothing is requested before `live`."""
        self.url, self.pace = url, pace
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.missing: list[str] = []
        self._number = 0

    async def live(self) -> None:
        """Send requests until cancelled."""
        async with ClientSession(self.url, timeout=ClientTimeout(total=30)) as session, asyncio.TaskGroup() as all_:
            all_.create_task(self._every(LOOK, lambda: self._look(session)))
            all_.create_task(self._every(SCRAPE, lambda: self._ask(session, "/metrics", "scrapes")))
            all_.create_task(self._every(CHECK, lambda: self._ask(session, "/livez", "health checks")))
            all_.create_task(self._listen(session))

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        """Run `do` at fixed times, however long it takes; runs that are late follow at once."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await do()
            due += seconds / self.pace
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _look(self, session: ClientSession) -> None:
        for path in SHOWN:
            await self._ask(session, path, "answers to the page")

    async def _ask(self, session: ClientSession, path: str, what: str) -> None:
        try:
            async with session.get(path) as answer:
                await answer.read()
                answer.raise_for_status()
            self.done[what] += 1
        except (ClientError, TimeoutError) as error:
            self.failed[f"{path}: {error!r}"] += 1

    async def _listen(self, session: ClientSession) -> None:
        """Receive every event, resuming after the last one when the stream ends."""
        while True:
            try:
                async with asyncio.timeout(REOPEN / self.pace):
                    await self._stream(session)
            except TimeoutError:
                continue
            except ClientError as error:
                self.failed[f"/api/stream: {error!r}"] += 1
                await asyncio.sleep(0.1)

    async def _stream(self, session: ClientSession) -> None:
        headers = {"Last-Event-ID": str(self._number)} if self._number else {}
        async with session.get("/api/stream", headers=headers, timeout=ClientTimeout(total=None)) as answer:
            answer.raise_for_status()
            self.done["streams opened"] += 1
            number, recorded = 0, True  # of the message, or where the stream begins; whether it is a recorded event
            async for line in answer.content:
                if line.startswith(b"id: "):
                    number = int(line[4:])
                elif line.startswith(b"event: "):
                    recorded = False
                elif line == b"\n":
                    recorded = True
                elif line.startswith(b"data: ") and recorded:
                    if self._number and number != self._number + 1:
                        self.missing.append(f"stream: {number} after {self._number}")
                    self._number = number
                    self.done["events heard"] += 1


def total(exposition: str, metric: str, labels: str = "") -> float:
    """The sum of a metric's series, in Prometheus's text, whose labels hold the text `labels`."""
    found = re.findall(rf"^{metric}(?:{{(.*)}})? (\S+)$", exposition, re.MULTILINE)
    return sum(float(value) for named, value in found if labels in named)
