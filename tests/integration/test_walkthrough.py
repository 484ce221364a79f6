"""The commands of `deploy/README.md`, from an empty folder to a resolved incident, print what the page shows."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.console_examples import Example, Ids, examples_of
from tests.support.installed_command import Child, Site
from tests.support.ports import unused_port
from tests.support.simulator import Simulator
from tests.support.waiting import until
from watcher.simulator.scenario import Scenario
from watcher.simulator.scenario_parser import load_scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = Path(__file__).parents[2] / "deploy" / "README.md"
HEADING = "From an empty folder to a resolved incident in ten minutes"
HEARD_OF = {"mute": "mute.created", "unmute": "mute.ended", "ack": "incident.acknowledged"}
"""What the daemon logs after these commands, which run once; others are repeated until they print what is shown."""


class Walk:
    """The folder, the simulated AWS and the daemon of a reader who follows the page, but faster."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.site.environment["LOGNAME"] = "ada"
        self.ids = Ids()
        # The clock of the simulated AWS is put forward, but never ahead of the daemon's.
        self.behind = 3600.0
        self.simulator = Simulator(Scenario("none yet"), clock=lambda: time.time() - self.behind)
        self.daemon: Child | None = None

    async def follow(self, example: Example) -> None:
        """Do what the example says, and wait until it has printed what the page shows."""
        line, _, document = self.ids.put_into(example.command).partition("\n")
        if moment := re.search(r"# (\d+) minutes after the start", line):
            self.behind -= 60.0 * int(moment[1]) - self.simulator.world.now()
        match shlex.split(line, comments=True):
            case ["cat", mode, name, _]:
                self._write(name, document.rpartition("\n")[0], append=mode == ">>")
            case ["export", *variables]:
                url = {"AWS_ENDPOINT_URL": self.simulator.url}
                self.site.environment |= dict(each.split("=", 1) for each in variables) | url
            case ["watcher", "simulate", "--scenario", name]:
                await self._simulate(name, example)
            case ["watcher", "run", ">", _]:
                faster = self.site.config.read_text(encoding="utf-8").replace("2s", "500ms")
                self.site.config.write_text(faster, encoding="utf-8")
                self.daemon = daemon = self.site.start("run")
                await until(lambda: daemon.logged("watcher.started"), daemon.said)
                await until(lambda: self.site.query("SELECT at FROM alive"), daemon.said)  # it is ready
            case ["watcher", *arguments, ">", name]:
                _, out, said = await self.site.run(*arguments)
                self._write(name, out)
                assert self.ids.match(example.printed, said), said
            case ["watcher", *arguments]:
                await self._run(arguments, example)
            case words:
                raise AssertionError(f"this test does not know how to run {words}")

    def _write(self, name: str, text: str, *, append: bool = False) -> None:
        if append and name == "watcher.yaml":
            text += f'\nhttp: {{listen: "127.0.0.1:{unused_port()}"}}'
        with (self.site.folder / name).open("a" if append else "w", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")

    async def _simulate(self, name: str, example: Example) -> None:
        """Start the command to see what it prints, and then one in this process, whose clock can be set."""
        child = self.site.start("simulate", "--scenario", name, "--port", "0")
        await until(lambda: self.ids.match(example.printed, child.printed().decode()), child.said)
        assert await child.stopped() == 0
        scenario = load_scenario((self.site.folder / name).read_text(encoding="utf-8"), name)
        self.simulator = Simulator(scenario, clock=lambda: time.time() - self.behind)
        await self.simulator.start()

    async def _run(self, arguments: list[str], example: Example) -> None:
        seen = ""

        async def shown() -> bool:
            nonlocal seen
            _, out, said = await self.site.run(*arguments)
            seen = out + said
            return self.ids.match(example.printed, seen)

        if heard := HEARD_OF.get(arguments[0]):
            assert await shown(), f"{example.command} printed {seen}"
            daemon = self.daemon
            assert daemon
            await until(lambda: daemon.logged(heard), daemon.said)
        else:
            await until(shown, lambda: f"{example.command} printed {seen}")


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    made = Walk(tmp_path)
    yield made
    made.site.end()
    await made.simulator.stop()


async def test_each_command_of_the_page_prints_what_the_page_shows(walk: Walk) -> None:
    examples = [*examples_of(PAGE.read_text(encoding="utf-8"), HEADING)]
    assert len(examples) > 15
    for example in examples:
        await walk.follow(example)
    assert walk.daemon
    assert await walk.daemon.stopped() == 0
