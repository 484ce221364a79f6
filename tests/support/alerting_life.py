"""Random steps in the life of daemons that send alerts: syncs, faults, reloads, mutes, failing receivers, kills."""

from __future__ import annotations

import json
import signal
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from tests.support.alert_receivers import Mood, Receivers
from tests.support.alerts_oracle import Incidents, MisledError
from tests.support.cluster_blows import BLOWS
from tests.support.simulator import attempt
from tests.support.waiting import until
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.subject import Blocker, Span
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from tests.support.cluster_fleet import Fleet, Post
    from tests.support.simulator import Simulator
    from watcher.core.model import Target

T = 1_795_420_800.0
FILTERS = ((), ("min_severity: error",), ("targets: ['*/stack/*']",), ("events: ['*.blocked', 'watcher.target.*']",))
MUTES = (
    "[]",
    "[]",
    "[{targets: '*'}]",
    "[{targets: '*/stack/*'}]",
    "[{events: '*.failed'}]",
    "[{events: '*.succeeded'}]",
)
PLACES = ("commit begins", "commit is done", "heads are found", "settling begins", "settling is done")
MOODS = (Mood.CALM, Mood.CALM, Mood.UNRELIABLE, Mood.REFUSING)


def targets_in(regions: Sequence[str]) -> list[Target]:
    """Two stacks and a template in each region: two endpoints."""
    return [
        each
        for region in regions
        for each in (
            stack("default", region, "network"),
            stack("default", region, "shop"),
            template("default", region, "SERVICE", "web", "2"),
        )
    ]


class AlertingLife:
    """Daemons of one configuration, what they watch, and the receivers that they alert."""

    def __init__(
        self, chance: Random, simulator: Simulator, fleet: Fleet, states: Sequence[str], regions: Sequence[str]
    ) -> None:
        """`states`: the value of `state` for each post of the fleet."""
        self.chance, self.simulator, self.fleet = chance, simulator, fleet
        self.targets = targets_in(regions)
        self.counts: dict[str, int] = {}
        self._states, self._regions = states, regions
        self.receivers = Receivers(chance)
        self._minutes = count()
        self._faults: dict[str, tuple[Target | None, str, str]] = {}
        self._blocked: set[str] = set()
        self._left: list[Target] = []

    async def __aenter__(self) -> Self:
        await self.receivers.__aenter__()
        for each in self.targets:
            self._sync(each, SUCCEEDED)
        self._configure({each.name: () for each in self.receivers.some}, "[]")
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.receivers.__aexit__(*error)

    async def start(self) -> None:
        for post in self.fleet.posts:
            self._restart(post)
        for post in self.fleet.posts:
            await post.started()

    async def go_on(self) -> None:
        """Take one random step, and wait for a random number of calls."""
        step = self.chance.choice((
            *(self.syncs,) * 6, *(self.reading,) * 2, self.blockers, *(self.reload,) * 3, self.by_hand,
            *(self.moods,) * 2, self.retry, *(self.blow,) * 3,
        ))  # fmt: skip
        self.counts[step.__name__] = self.counts.get(step.__name__, 0) + 1
        await step()
        await self.polled(self.chance.choice((0, 1, len(self.targets), 3 * len(self.targets))))

    async def polled(self, calls: int) -> None:
        """Wait for this number of further calls."""
        wanted = len(self.simulator.calls) + calls

        def done() -> bool:
            self._start_crashed()
            return len(self.simulator.calls) >= wanted

        await until(done, lambda: f"calls; {self.said()}")

    async def syncs(self) -> None:
        self._sync(self.chance.choice(self.targets), self.chance.choice((FAILED, FAILED, SUCCEEDED, IN_PROGRESS)))

    async def reading(self) -> None:
        """Make a target or an endpoint unreadable, or readable again."""
        target = self.chance.choice(self.targets)
        fault = self.chance.choice(((target, "not_found"), (None, "access_denied")))
        key = f"{target.region}/{target.api if fault[0] is None else target.id}"
        if self._faults.pop(key, None) is None:
            self._faults[key] = (*fault, target.api if fault[0] is None else "")
        self._strike()

    async def blockers(self) -> None:
        target = self.chance.choice([each for each in self.targets if each.api == "codeconnections"])
        self._blocked ^= {target.id}
        blocker = Blocker(Span(), f"no such template {next(self._minutes)}")
        self.simulator.world.change(target, blockers=(blocker,) if target.id in self._blocked else ())

    async def reload(self) -> None:
        """Add, remove and change sinks and mutes, and remove and return targets."""
        some = self.chance.sample(self.receivers.some, self.chance.randint(0, 3))
        left = self.chance.choice([None, *self.targets])
        self._left = [each for each in self.targets if left is not None and each.identity == left.identity]
        self._configure({each.name: self.chance.choice(FILTERS) for each in some}, self.chance.choice(MUTES))
        for post in self.fleet.posts:
            if post.child and post.child.logged("watcher.started"):  # a process just forked would end by the signal
                post.child.signal(signal.SIGHUP)

    async def by_hand(self) -> None:
        if active := json.loads(await self._said("mutes", "--json")):
            await self._said("unmute", self.chance.choice(active)["id"])
        else:
            await self._said("mute", self.chance.choice(("*", "*/stack/*")), "--for", "1h", "--reason", "a test")

    async def moods(self) -> None:
        for each in self.receivers.all:
            each.mood = self.chance.choice(MOODS)

    async def retry(self) -> None:
        """Requeue the dead letters, except those of removed sinks."""
        await self.fleet.posts[0].site.run("deliveries", "retry")

    async def blow(self) -> None:
        """Kill a daemon between any two steps, or stop it, or cut it off from its table."""
        post = self.chance.choice(self.fleet.posts)
        assert post.child
        receiver = self.chance.choice((*self.receivers.all, None))
        if receiver is not None:
            receiver.trap = lambda: self._restart(post)
        elif self._is_shared:
            await self.chance.choice(BLOWS)(post, self.fleet)
        else:
            post.child.end()
            place = f"{self.chance.choice(PLACES)}:{self.chance.randint(1, 3)}"
            post.child = post.site.start(store="sound", environment={"CRASH_AT": place})
        await self.polled(len(self.targets))

    def _restart(self, post: Post) -> None:
        if post.child:
            post.child.end()
        post.start()

    def _start_crashed(self) -> None:
        """Start each daemon again that its store has killed at `CRASH_AT`."""
        for post in self.fleet.posts:
            assert post.child
            if not post.child.running:
                assert post.child.process.returncode == -signal.SIGKILL, post.child.said()
                post.start()

    @property
    def _is_shared(self) -> bool:
        return len(self.fleet.posts) > 1

    async def calm_down(self) -> None:
        """End faults and mutes, and return all sinks and targets; failed syncs and blockers stay."""
        self.receivers.calm_down()
        self._faults.clear()
        self._strike()
        self._left = []
        self._configure({each.name: () for each in self.receivers.some}, "[]")
        for mute in json.loads(await self._said("mutes", "--json")):
            await self._said("unmute", mute["id"])
        await self.start()
        await self.polled(6 * len(self.targets))

    async def judge(self) -> Mapping[str, int]:
        """Wait until all is delivered, and judge; returns counts of steps, and of the incidents that each was sent."""

        async def settled() -> bool:
            await self._said("deliveries", "retry")
            return not await self._said("deliveries", "--json")

        await until(settled, lambda: f"all delivered; {self.said()}")
        verdict: list[MisledError] = []

        async def content() -> dict[str, int]:
            incidents = Incidents.of(await self.events())
            verdict[:] = []
            runs = [run for post in self.fleet.posts for run in post.site.children]
            kills = sum(bool(run.logged("watcher.started")) for run in runs)
            corrections = sum(len(run.logged("alert.corrected")) for run in runs)
            try:
                sent = self.receivers.judge(incidents, kills, corrections)
            except MisledError as error:
                verdict.append(error)
                return {}
            return {"incidents": len(incidents.all), "open": len(incidents.open), **sent}

        try:
            found = await until(content)
        except AssertionError:
            raise verdict[0] from None
        return self.counts | found

    async def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self._said("events", "--json", "--limit", "100000")).splitlines()]

    def said(self) -> str:
        return "\n".join(child.said()[-3000:] for post in self.fleet.posts for child in post.site.children[-3:])

    async def _said(self, *words: str) -> str:
        code, printed, said = await self.fleet.posts[0].site.run(*words)
        assert code == 0, said
        return printed

    def _sync(self, target: Target, status: str) -> None:
        self.simulator.world.show(target, attempt(target, status, T + 60 * next(self._minutes)))

    def _strike(self) -> None:
        self.simulator.world.clear()
        for key, (target, fault, api) in self._faults.items():
            where = {} if target else {"api": api, "region": key.partition("/")[0]}
            self.simulator.world.fault(target, fault, **where)

    def _configure(self, some: Mapping[str, Sequence[str]], mutes: str) -> None:
        lines = self.receivers.lines(some)
        here = {each.identity: each for each in self.targets if each not in self._left}.values()
        regions = json.dumps([*self._regions])
        for post, state in zip(self.fleet.posts, self._states, strict=True):
            accounts = f"accounts: [{{name: default, regions: {regions}}}]"
            more = ("unreadable_after: 2", f"mute: {mutes}", "sinks:", *lines)
            post.site.configure(
                here, f"state: '{state}'", accounts, *more, interval="200ms" if self._is_shared else "100ms"
            )
