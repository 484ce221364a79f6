"""The real daemon for the browser tests: `app.build` over the simulator, with its page on a free port."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tests.support.simulator import Simulator
from watcher.app.build import build
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.reloader import Reloader
from watcher.config.source import LocalSource
from watcher.simulator.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from watcher.app.lifecycle import App
    from watcher.core.model import Target

REGION = "us-east-1"
QUICK = "{interval: 200ms, active_interval: 200ms}"


class Daemon:
    """A simulator, and at most one run of the daemon at a time; a later run has the same state and address."""

    def __init__(self, folder: Path, simulator: Simulator | None = None) -> None:
        self.simulator = simulator or Simulator(Scenario("page"))
        self.file = folder / "watcher.yaml"
        self.app: App | None = None
        self.reload: Reloader | None = None
        self.state = f"sqlite:///{folder / 'watcher.db'}"
        self._folder = folder
        self._port = 0
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        assert self.app
        assert self.app.web.url
        return self.app.web.url.rstrip("/")

    @property
    def address(self) -> str:
        """The host and port of this run, or of the last one."""
        return f"127.0.0.1:{self._port}"

    def configure(self, targets: Iterable[Target], *more: str, defaults: str = QUICK) -> None:
        """Write the configuration: `targets`, and `more` lines."""
        accounts: dict[str, set[str]] = {"default": {REGION}}
        lines: dict[str, list[str]] = {}
        for target in targets:
            accounts.setdefault(target.account, set()).add(target.region)
            told = [*target.identity, ("account", target.account), ("region", target.region)]
            parts = [f"{name}: {quoted(value)}" for name, value in told]
            labels = ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in target.labels.items())
            row = f"  - {{{', '.join([*parts, f'labels: {{{labels}}}'])}}}"
            lines.setdefault(target.kind.section, []).append(row)
        text = [
            f"state: {self.state}",
            f"http: {{listen: '127.0.0.1:{self._port}'}}",
            "rate_limit: {requests_per_second: 500}",
            "retry: {attempts: 1, initial: 10ms, maximum: 50ms}",
            "shutdown_grace: 2s",
            f"defaults: {defaults}",
            "accounts:",
        ]
        for name, regions in accounts.items():
            where = f"regions: [{', '.join(sorted(regions))}], endpoint_url: '{self.simulator.url}'"
            text.append(f"  - {{name: {quoted(name)}, {where}}}")
        for section, listed in lines.items():
            text += [f"{section}:", *listed]
        if not any(line.startswith("sinks:") for line in more):
            text.append(f"sinks: [{{name: lines, type: file, path: {quoted(str(self._folder / 'events.jsonl'))}}}]")
        self.file.write_text("\n".join([*text, *more]) + "\n", encoding="utf-8")

    async def start(self) -> None:
        """Run it with the configuration as it is written, and wait until it answers."""
        document = self._document()
        self.app = build(parse(document, {}, lambda _: None))
        self.reload = Reloader(
            LocalSource(self._document),
            lambda text: parse(text, {}, lambda _: None),
            self.app.apply,
            self.app.reloaded,
            self.app.view.clock,
        )
        self._stop.clear()
        self._running = asyncio.create_task(self.app.run(self._stop, partial(self.reload.run, document)))
        while self.app.web.url is None:
            if self._running.done():
                self._running.result()
            await asyncio.sleep(0.01)
        self._port = int(self.url.rpartition(":")[2])

    async def stop(self) -> None:
        """Shut it down gracefully."""
        if self._running:
            self._stop.set()
            await self._running
            self._running = None

    async def restart(self) -> None:
        """Run it again at the same address."""
        text = self.file.read_text(encoding="utf-8")
        self.file.write_text(text.replace("127.0.0.1:0'", f"127.0.0.1:{self._port}'"), encoding="utf-8")
        await self.start()

    def _document(self) -> Document:
        return Document("watcher.yaml", self.file.read_bytes())


def quoted(text: str) -> str:
    """`text` in quotes, as YAML and JSON both read it."""
    return '"' + "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else escaped(c) for c in text) + '"'


def escaped(letter: str) -> str:
    return f"\\U{ord(letter):08X}"
