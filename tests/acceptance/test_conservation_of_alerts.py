"""What is wrong is open at every alert service, and nothing else: whatever fails, and is killed, between."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from tests.integration.receiver import Cut, Receiver, Reply
from tests.support.alertmanager import PROGRAM, Alertmanager, receiving
from tests.support.incidents import Jsm, PagerDuty
from tests.support.random_worlds import CallClock, Witness, random_world
from tests.support.simulator import Simulator
from tests.support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.acceptance.conftest import Places
    from tests.integration.receiver import Received
    from tests.support.installed_command import Child, Site

KILLS = 6
REACH = "allow_http: true, allow_private: true"


@dataclass
class Unreliable:
    """Fails now and then while it is not calm: before the service took a request, and after."""

    answer: Callable[[Received], Reply]
    chance: Random
    calm: bool = False
    requests: int = 0

    def __call__(self, received: Received) -> Reply:
        self.requests += 1
        if self.calm or self.chance.random() < 0.6:
            return self.answer(received)
        if self.chance.random() < 0.5:
            self.answer(received)
        return self.chance.choice((Reply(500), Reply(cut=Cut.AFTER), Reply(429, {"Retry-After": "1"})))


async def test_exactly_what_is_wrong_in_the_end_is_open_and_nothing_was_open_twice(
    places: Places, tmp_path: Path
) -> None:
    """Three services of a daemon that is killed six times."""
    chance, clock = Random(2026), CallClock(80)
    pagerduty, jsm = PagerDuty(), Jsm()
    moody = [Unreliable(pagerduty.answer, chance), Unreliable(jsm.answer, chance)]
    async with AsyncExitStack() as stack:
        simulator = Simulator(random_world(2026, seconds=7.0, stacks=5, templates=3), clock=clock)
        await simulator.start()
        stack.push_async_callback(simulator.stop)
        receivers = [Receiver(answer=each) for each in moody]
        for receiver in receivers:
            await receiver.start()
            stack.push_async_callback(receiver.stop)
        sinks = [
            f"{{name: pd, type: pagerduty, routing_key: {pagerduty.key}, url: '{receivers[0].url('')}', {REACH}}}",
            f"{{name: jira, type: jsm, api_key: {jsm.key}, url: '{receivers[1].url('')}', {REACH}}}",
        ]
        manager = None
        if PROGRAM:
            _, hook = await stack.enter_async_context(receiving())
            manager = Alertmanager(tmp_path, hook)
            await stack.enter_async_context(manager.running())
            sinks.append(f"{{name: am, type: alertmanager, urls: ['{manager.url}'], resend: 1s, {REACH}}}")
        site, witness = places(simulator, "alerts"), Witness(simulator, clock)
        lines = ["shutdown_grace: 2s", "sinks:", "  - {name: out, type: stdout}", *(f"  - {sink}" for sink in sinks)]
        site.configure(simulator.world.scenario.targets(), *lines)
        for _ in range(KILLS):
            await killed(site.start(), moody, witness, chance)
        last = site.start()
        await witness.quiet(last)
        for each in moody:
            each.calm = True
        await until(lambda: site.undelivered() == 0 or not last.running, lambda: f"all delivered; {last.said()}")
        opened, open_ = incidents(site)
        assert open_, "in the end nothing is wrong"
        assert len(opened) > len(open_), "no incident ended"
        keys = {f"watcher:{subject}" for subject in open_}
        assert set(pagerduty.open) == set(jsm.open) == keys
        expected = Counter(f"watcher:{subject}" for subject in opened.values())
        assert Counter(pagerduty.opened) == expected
        assert Counter([*jsm.open, *(alert["alias"] for alert in jsm.closed)]) == expected
        if manager is not None:
            await until_open(manager, open_)
        assert await last.stopped() == 0
        assert not any(secret in text for text in everything(site) for secret in (pagerduty.key, jsm.key))


async def killed(child: Child, services: list[Unreliable], witness: Witness, chance: Random) -> None:
    """Kill it after some requests, or when the world is at its end."""

    def requests() -> int:
        return sum(service.requests for service in services)

    count = requests() + chance.randint(1, 20)
    await until(
        lambda: requests() >= count or witness.seen_at_the_end(child) or not child.running,
        lambda: f"{count} requests; {child.said()}",
    )
    assert child.running, child.said()
    child.process.kill()
    child.process.wait()


def incidents(site: Site) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The subjects of all incidents by their ids, and the ids of the open ones by their subjects."""
    opened: dict[str, str] = {}
    open_: dict[str, str] = {}
    for subject, body in site.query("SELECT subject, body FROM event ORDER BY number"):
        incident: dict[str, Any] | None = json.loads(body)["data"]["incident"]
        if incident is not None:
            opened[incident["id"]] = subject
            open_[subject] = incident["id"]
            if incident["state"] == "resolved":
                del open_[subject]
    return opened, open_


async def until_open(manager: Alertmanager, open_: Mapping[str, str]) -> None:
    """Wait until Alertmanager has exactly these alerts, and that it still has them when they would have ended."""
    for _ in range(2):
        found: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            while found != open_:
                alerts = await manager.alerts()
                found = {alert["labels"]["target"]: alert["labels"]["incident"] for alert in alerts}
                await asyncio.sleep(0.1)
        await asyncio.sleep(4)


def everything(site: Site) -> list[str]:
    """What the daemons logged and wrote."""
    return [file.read_bytes().decode(errors="replace") for file in site.folder.iterdir() if file.suffix != ".yaml"]
