"""What is wrong is open at every alert service, and nothing else: whatever fails, and is killed, between."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Self

import pytest

from tests.integration.receiver import Cut, Receiver, Reply
from tests.support.alert_receivers import PARALLEL, Chat, Mood
from tests.support.alertmanager import PROGRAM, Alertmanager, receiving
from tests.support.alerts_oracle import Incidents
from tests.support.cluster_fixture import REGIONS, field, term_here
from tests.support.incidents import Jsm, PagerDuty
from tests.support.random_worlds import CallClock, Witness, random_world
from tests.support.simulator import Simulator
from tests.support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.acceptance.conftest import Places
    from tests.integration.receiver import Received
    from tests.support.alerts_oracle import Event
    from tests.support.emulators import Emulator
    from tests.support.installed_command import Child, Site

KILLS = 5
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
        if self.calm or self.chance.random() < 0.75:
            return self.answer(received)
        if self.chance.random() < 0.5:
            self.answer(received)
        return self.chance.choice((Reply(500), Reply(cut=Cut.AFTER), Reply(429, {"Retry-After": "1"})))


class Services:
    """PagerDuty, Jira Service Management and Slack, which fail now and then; a real Alertmanager if there is one."""

    def __init__(self, chance: Random, folder: Path) -> None:
        self.pagerduty, self.jsm = PagerDuty(), Jsm()
        self.moody = [Unreliable(self.pagerduty.answer, chance), Unreliable(self.jsm.answer, chance)]
        self.chat = Chat(chance, Mood.UNRELIABLE)
        self._receivers = [*(Receiver(answer=each) for each in self.moody), self.chat.receiver]
        self._folder = folder
        self._manager: Alertmanager | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for receiver in self._receivers:
            await receiver.start()
            self._stack.push_async_callback(receiver.stop)
        if PROGRAM:
            _, hook = await self._stack.enter_async_context(receiving())
            self._manager = Alertmanager(self._folder, hook)
            await self._stack.enter_async_context(self._manager.running())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def requests(self) -> int:
        return sum(each.requests for each in self.moody)

    def lines(self) -> list[str]:
        """Their sinks in the configuration."""
        pagerduty, jsm, _ = (receiver.url("") for receiver in self._receivers)
        lines = [
            f"  - {{name: pd, type: pagerduty, routing_key: {self.pagerduty.key}, url: '{pagerduty}', {REACH}}}",
            f"  - {{name: jira, type: jsm, api_key: {self.jsm.key}, url: '{jsm}', {REACH}}}",
            self.chat.line(),
        ]
        if self._manager:
            lines.append(f"  - {{name: am, type: alertmanager, urls: ['{self._manager.url}'], resend: 1s, {REACH}}}")
        return lines

    def calm_down(self) -> None:
        for each in self.moody:
            each.calm = True
        self.chat.mood = Mood.CALM

    async def judge(self, events: Sequence[Event], kills: int) -> None:
        """Hold what is open, and was opened, against the recorded events, and print the figures."""
        incidents = Incidents.of(events)
        opened, open_ = {each.id: each.subject for each in incidents.all}, incidents.open
        assert open_, "in the end nothing is wrong"
        assert len(opened) > len(open_), "no incident ended"
        assert set(self.pagerduty.open) == set(self.jsm.open) == {f"watcher:{subject}" for subject in open_}
        expected = Counter(f"watcher:{subject}" for subject in opened.values())
        assert Counter(self.pagerduty.opened) == expected
        assert Counter([*self.jsm.open, *(alert["alias"] for alert in self.jsm.closed)]) == expected
        if self._manager:
            await until_open(self._manager, {subject: each.id for subject, each in open_.items()})
        left = incidents.judge_messages(self.chat.states(), self.chat.unanswered + PARALLEL * kills)
        requests = [len(receiver.received) for receiver in self._receivers]
        print(
            f"{kills} kills, {len(opened)} incidents, {len(open_)} open in the end; requests: {requests}; "
            f"Slack: {len(self.chat.workspace.messages)} messages, {left} left, {self.chat.unanswered} answers lost"
        )


@pytest.mark.soak
async def test_exactly_what_is_wrong_in_the_end_is_open_and_nothing_was_open_twice(
    places: Places, tmp_path: Path
) -> None:
    """Four services of a daemon that is killed five times."""
    chance, clock = Random(2026), CallClock(60)
    simulator = Simulator(random_world(2026, seconds=6.0, stacks=4, templates=2), clock=clock)
    async with Services(chance, tmp_path) as services:
        await simulator.start()
        try:
            site, witness = places(simulator, "alerts"), Witness(simulator, clock)
            lines = ["shutdown_grace: 2s", "sinks:", "  - {name: out, type: stdout}", *services.lines()]
            site.configure(simulator.world.scenario.targets(), *lines)
            for _ in range(KILLS):
                await killed(site.start(), services, witness, chance)
            last = site.start()
            await witness.quiet(last)
            services.calm_down()
            await until(lambda: site.undelivered() == 0 or not last.running, lambda: f"all delivered; {last.said()}")
            await services.judge(site.kept(), KILLS)
            assert await last.stopped() == 0
            secrets = services.pagerduty.key, services.jsm.key, services.chat.workspace.token
            assert not any(secret in text for text in everything(site) for secret in secrets)
        finally:
            await simulator.stop()


@pytest.mark.soak
async def test_two_daemons_of_a_table_that_are_killed_open_and_end_the_same_alerts(
    places: Places, ministack: Emulator, tmp_path: Path, aws_credentials: None
) -> None:
    chance, how = Random(2026), f"&term={await term_here(ministack.url):g}s"
    world = random_world(2026, seconds=8.0, stacks=2, templates=1)
    clock = CallClock(5 * len(REGIONS) * len(world.targets()))
    async with (
        Services(chance, tmp_path) as services,
        field(
            places, ministack, world, posts=2, how=how, more=(*services.lines(),), interval="200ms", clock=clock
        ) as field_,
    ):
        fleet, watched = field_.fleet, field_.watched
        for post in fleet.posts:
            post.start()
            await post.started()
        kills = 0
        while not watched.over:
            kills += 1
            await asyncio.sleep(chance.uniform(1, 4))
            post = chance.choice(fleet.posts)
            assert post.child
            post.child.process.kill()
            post.child.process.wait()
            post.start()
            await post.started()
        await watched.quiet(sure=3)
        services.calm_down()
        site = fleet.posts[0].site
        async with asyncio.timeout(PATIENCE):
            while (await site.run("deliveries", "--json"))[1]:  # noqa: ASYNC110  a command has no event to wait for
                await asyncio.sleep(1)
        await services.judge(await fleet.kept(), kills)


async def killed(child: Child, services: Services, witness: Witness, chance: Random) -> None:
    """Kill it after some requests, or when the world is at its end."""
    count = services.requests + chance.randint(1, 20)
    await until(
        lambda: services.requests >= count or witness.seen_at_the_end(child) or not child.running,
        lambda: f"{count} requests; {child.said()}",
    )
    assert child.running, child.said()
    child.process.kill()
    child.process.wait()


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
