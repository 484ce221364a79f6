"""Several daemons on one table: each with its own way to it that can be cut, and who knows what they were shown."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import quote, urlsplit

from tests.acceptance.consumers import HOOK_SECRET
from tests.support.event_oracle import Fact, in_order_of_world, judge, same_as_kept
from tests.support.random_worlds import _at, _fact
from tests.support.simulator import is_poll
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.acceptance.consumers import Consumer
    from tests.support.installed_command import Child, Site
    from tests.support.random_worlds import CallClock
    from tests.support.simulated_world import Shown
    from tests.support.simulator import Simulator
    from watcher.core.model import Target
    from watcher.simulator.server import Call


class TooLittleError(AssertionError):
    """So little was surely seen that no judgement tells anything."""


class Proxy:
    """A way to a server that can be cut: then nothing comes through in either direction, and nobody is told."""

    def __init__(self, url: str) -> None:
        """It leads to the server at `url`, from `start` on."""
        self._to = urlsplit(url)
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        self.mend()

    def cut(self) -> None:
        """What is under way, and what is begun, hangs."""
        self._open.clear()

    def mend(self) -> None:
        """What hung is broken off; from now on all goes through."""
        for writer in self._writers:
            writer.transport.abort()
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
            self._writers.add(back)
            await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))
        except OSError:
            pass
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await reader.read(65536):
                await self._open.wait()
                writer.write(part)
                await writer.drain()
        writer.transport.abort()


@dataclass
class Post:
    """Where one daemon runs after the other."""

    site: Site
    proxy: Proxy
    store: str | None = None
    """A broken one, if not its own."""
    child: Child | None = None

    def start(self) -> Child:
        self.child = self.site.start(change=self.store)
        return self.child

    async def started(self) -> None:
        child = self.child
        assert child
        await until(
            lambda: child.logged("watcher.started") or not child.running, lambda: f"a start; it said {child.said()}"
        )
        assert child.running, child.said()


class Sighting(NamedTuple):
    """One answer to one run, at a moment of the world; `status` is empty for a target that never synced."""

    moment: float
    run: str
    status: str


class Watched:
    """Remembers which run was shown what, in every region; it turns the clock, if given one."""

    def __init__(self, simulator: Simulator, targets: Sequence[Target], clock: CallClock | None = None) -> None:
        self._simulator = simulator
        self._clock = clock
        self.targets = {target.id: target for target in targets}
        self.sightings: dict[str, list[Sighting]] = defaultdict(list)
        simulator.on_call = self._saw

    def _saw(self, call: Call) -> None:
        if not is_poll(call):
            return
        subject = f"default/{call.region}/{call.target}"
        status = "" if call.answer == "UNSYNCED" else call.answer
        self.sightings[subject].append(Sighting(self._simulator.world.now(), call.access_key, status))
        if self._clock:
            self._clock.calls += 1

    @property
    def over(self) -> bool:
        """Whether every timeline has come to its end."""
        timelines = (timeline for _, timeline in self._simulator.world.scenario.timelines)
        return self._simulator.world.now() > max(
            sum(scene.seconds or 0 for scene in timeline.scenes) for timeline in timelines
        )

    async def quiet(self, sure: int) -> None:
        """Wait until the world stands still, and everything in it has been seen so often by one run."""
        await until(lambda: self.over, "the end of the world")
        before = {subject: len(self.sightings[subject]) for subject in self.targets}

        def seen_again() -> bool:
            return all(
                max(
                    Counter(sighting.run for sighting in self.sightings[subject][before[subject] :]).values(), default=0
                )
                >= sure
                for subject in self.targets
            )

        await until(seen_again, "every target seen at its end")

    def judge(self, arrived: Sequence[dict[str, object]], kept: Sequence[dict[str, object]], *, sure: int) -> int:
        """Hold what arrived at one receiver, from all daemons, against the world; returns how much had to be told.

        `sure`: answers to one run in a row that it cannot all have failed to keep. One may have come too late, when
        another watcher was quicker or the run was killed; that it asked again says that it was done with those before.
        """
        now = self._simulator.world.now()
        shown = {id_: self._simulator.world.timeline(target, now) for id_, target in self.targets.items()}
        facts = {subject: [_fact(subject, each) for each in showings] for subject, showings in shown.items()}
        must = {fact for subject, showings in shown.items() for fact in self._surely(subject, showings, sure)}
        first = judge(arrived, must=must, shown={fact for each in facts.values() for fact in each})
        in_order_of_world(first, facts)
        same_as_kept(first, kept)
        assert {showings[-1] for showings in facts.values()} <= must, "the end of every timeline was seen"
        if len(must) <= len(facts):
            raise TooLittleError("nothing happened but the ends: too little for a judgement")
        return len(must)

    def _surely(self, subject: str, showings: list[Shown], sure: int) -> Iterable[Fact]:
        """What one run was shown of a target so often in a row that it cannot have missed keeping it."""
        by_run: dict[str, list[Fact | None]] = defaultdict(list)
        for moment, run, status in self.sightings[subject]:
            by_run[run].append(_fact(subject, _at(showings, moment, status)) if status else None)
        for seen in by_run.values():
            for fact, group in groupby(seen):
                if fact is not None and len([*group]) >= sure:
                    yield fact


def gaps(calls: Iterable[Call]) -> dict[tuple[str, str], float]:
    """The longest time between two calls for each target, in seconds, by region and target."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        times[call.region, call.target].append(call.at)
    return {
        target: max((late - early for early, late in pairwise(each)), default=0.0) for target, each in times.items()
    }


class Crowd(NamedTuple):
    """One call too many: how long after the first that it was too many for, and whose both were."""

    seconds: float
    endpoint: tuple[str, str]
    runs: tuple[str, str]


def crowds(calls: Iterable[Call], rate: int, seconds: float) -> list[Crowd]:
    """Where more than `rate` calls to one endpoint arrived within so many seconds."""
    arrived: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        arrived[call.region, call.api].append(call)
    return [
        Crowd(late.at - early.at, endpoint, (early.access_key, late.access_key))
        for endpoint, each in arrived.items()
        for early, late in zip(each, each[rate:], strict=False)
        if late.at - early.at < seconds
    ]


class Fleet:
    """The posts of one table, and the receiver that they all deliver to."""

    def __init__(self, posts: Sequence[Post], consumer: Consumer) -> None:
        self.posts, self.consumer = posts, consumer
        self.term = 0.0
        """Seconds after which a silent daemon loses its leases."""

    async def __aenter__(self) -> Self:
        await self.consumer.receiver.start()
        for post in self.posts:
            await post.proxy.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for post in self.posts:
            post.site.end()
            await post.proxy.stop()
        await self.consumer.receiver.stop()

    def configure(self, targets: Sequence[Target], table: str, how: str, *more: str, interval: str) -> None:
        """Let every post watch the same, by its own way to the table; `how`: more of the table's address."""
        regions = sorted({target.region for target in targets})
        names = {target.identity: target for target in targets}.values()
        for post in self.posts:
            address = f"dynamodb://{table}?region=us-east-1&endpoint_url={quote(post.proxy.url, safe=':/')}{how}"
            post.site.environment["HOOK_SECRET"] = HOOK_SECRET
            post.site.configure(
                names,
                f"state: '{address}'",
                f"accounts: [{{name: default, regions: {json.dumps(regions)}}}]",
                "sinks:\n" + self.consumer.line(),
                *more,
                interval=interval,
            )

    async def sigstop(self, post: Post, seconds: float) -> None:
        """Let a daemon stand still for a while."""
        assert post.child
        post.child.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        post.child.signal(signal.SIGCONT)

    async def cut_off(self, post: Post, seconds: float) -> None:
        """Let a daemon not reach the table for a while."""
        post.proxy.cut()
        await asyncio.sleep(seconds)
        post.proxy.mend()

    async def delivered(self) -> None:
        """Wait until no delivery is pending: what a daemon cannot send before it stops is left to the next one."""
        site = self.posts[0].site

        async def nothing_pending() -> bool:
            code, out, said = await site.run("deliveries", "--json", "--limit", "100000")
            assert code == 0, said
            return all(json.loads(line)["state"] == "dead" for line in out.splitlines())

        arrived = self.consumer.arrived
        await until(nothing_pending, "no pending delivery in the table", progress=lambda: len(arrived))

    async def kept(self) -> list[dict[str, object]]:
        """The history in the table."""
        site = self.posts[0].site
        code, out, said = await site.run("events", "--json", "--limit", "100000")
        assert code == 0, said
        return [json.loads(line) for line in out.splitlines()]
