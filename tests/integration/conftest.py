"""The daemon in this process, against the stand-in for AWS on a real socket, its events caught by a sink."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from tests.support.simulator import Simulator, attempt, is_poll
from tests.support.waiting import until
from watcher.app.build import build
from watcher.aws.signed_calls import RequestTemplate
from watcher.cli import cli
from watcher.core.deliveries import Limits, SendOutcome, Verdict
from watcher.core.event_schema import event_schema
from watcher.core.settings import Account, Config, RateLimit, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.errors import WatcherError
from watcher.simulator.scenario import Scenario
from watcher.sources import KINDS
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from watcher.app.lifecycle import App
    from watcher.core.deliveries import Delivery
    from watcher.core.model import Attempt, Target

VALID = Draft202012Validator(event_schema(KINDS))
FAST: dict[str, Any] = {"interval": 0.1, "active_interval": 0.1, "timeout": 30.0, "stalled_after": 1e6}
HANGING = {"hang": 1.0, "drip": 1.0}
"""Seconds, by fault: the timeout of a target that must run into it. All else is answered in time, also when busy."""

EPOCH = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def a_template(**watching: Any) -> Target:
    return template("default", "us-east-1", "ENVIRONMENT", "fargate-env", "1", **FAST | watching)


def a_stack(name: str = "network", **watching: Any) -> Target:
    return stack("default", "us-east-1", name, **FAST | watching)


def at(minute: float) -> datetime:
    """A moment of the tests' own calendar."""
    return EPOCH + timedelta(minutes=minute)


@dataclass
class Caught:
    """A sink that keeps what it is sent; every event is held against the published schema."""

    name: str = "stdout"
    limits: Limits = field(default_factory=lambda: Limits(batch=100, in_order=True))
    events: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        for delivery in deliveries:
            event = json.loads(delivery.body)
            VALID.validate(event)
            self.events.append(event)
        return [SendOutcome(delivery, Verdict.TAKEN, "caught") for delivery in deliveries]

    async def close(self) -> None:
        pass


@dataclass
class Watch:
    """A daemon at work, and the world it sees."""

    simulator: Simulator
    app: App
    caught: Caught

    def show(self, target: Target, status: str, minute: float, sha: str = "", **more: Any) -> Attempt:
        successful = more.pop("successful", None)
        shown = attempt(target, status, at(minute), sha, **more)
        if successful is None:
            self.simulator.world.show(target, shown)
        else:
            self.simulator.world.show(target, shown, successful=successful)
        return shown

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition, lambda: f"a condition; events: {self.brief()}")

    async def events(self, count: int) -> list[dict[str, Any]]:
        """Exactly so many events: they come, and a few polls later there are no more."""
        await self.until(lambda: len(self.caught.events) >= count)
        await self.polls(3)
        assert len(self.caught.events) == count, self.brief()
        return self.caught.events

    async def polls(self, count: int) -> None:
        """Until so many more polls were answered, for each target that is configured and was asked for before."""
        seen = [*self._polled()]
        targets = {target.id.partition("/")[2] for target in self.app.view.config.targets} & {*seen}

        def polled() -> bool:
            more = Counter(islice(self._polled(), len(seen), None))
            return more.total() >= count and all(more[target] >= count for target in targets)

        await self.until(polled)

    def _polled(self) -> Iterator[str]:
        """The target of each poll."""
        return (f"{call.region}/{call.target}" for call in self.simulator.calls if is_poll(call))

    def brief(self) -> list[str]:
        return [f"{event['type'].removeprefix('watcher.')} {event['subject']}" for event in self.caught.events]

    def kinds(self) -> list[str]:
        return [event["type"].removeprefix("watcher.") for event in self.caught.events]


@pytest.fixture(autouse=True)
def _aws_environment(
    aws_credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    nowhere = tmp_path_factory.mktemp("aws")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def a_config(url: str | None, targets: Sequence[Target], **changes: Any) -> Config:
    account = Account("default", ("us-east-1",), endpoint_url=url, rate_limit=RateLimit(200, 10))
    settings: dict[str, Any] = {
        "place": "a test",
        "accounts": {"default": account},
        "targets": tuple(targets),
        "retry": Retry(2, 0.01, 0.02),
        "unreadable_after": 3,
        "sinks": (SinkSettings("stdout", "stdout"),),
        "state": "memory://",
        "http": None,
        "state_retention": 86400.0,
        "shutdown_grace": 5.0,
    }
    return Config(**settings | changes)


@asynccontextmanager
async def daemon(config: Config, **parts: Any) -> AsyncIterator[App]:
    """A daemon with this configuration, until the block ends."""
    app, stop = build(config, **parts), asyncio.Event()
    task = asyncio.create_task(app.run(stop))
    try:
        yield app
    finally:
        stop.set()
        await task


@asynccontextmanager
async def running(simulator: Simulator, config: Config, **parts: Any) -> AsyncIterator[Watch]:
    """A daemon whose events are caught, until the block ends."""
    caught = Caught()
    async with daemon(config, sinks=[caught], **parts) as app:
        yield Watch(simulator, app, caught)


async def command(file: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of a command, on a thread since it has an event loop of its own."""
    words = [*arguments, "--config", str(file)]
    result = await asyncio.to_thread(CliRunner().invoke, cli, words, standalone_mode=False)
    assert result.exception is None or isinstance(result.exception, WatcherError), result.exception
    return result.return_value, result.stdout


BY_BOTOCORE = "by_botocore"


def use_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore sign and send all calls to AWS from now on."""
    monkeypatch.setattr(RequestTemplate, "fits", lambda *_: False)


def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == BY_BOTOCORE:
        use_botocore(monkeypatch)


way = pytest.fixture(_way, params=["signed", BY_BOTOCORE], name="way")
"""Who signs and sends all calls to AWS but the first of an operation: this program or botocore."""
way_in_soak = pytest.fixture(
    _way, params=["signed", pytest.param(BY_BOTOCORE, marks=pytest.mark.soak)], name="way_in_soak"
)
"""The same; botocore's way in `make soak` alone."""


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    made = Simulator(Scenario("a test"))
    await made.start()
    yield made
    await made.stop()
