"""A daemon sets the status of a commit from the beginning of an attempt to its end, whatever is changed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import SecretStr

from tests.integration.conftest import a_config, a_stack, at, daemon
from tests.integration.posting_sinks import REACH
from tests.integration.receiver import receiving
from tests.support.event_samples import SHA
from tests.support.git_hosts import GitHub
from tests.support.simulator import attempt
from tests.support.waiting import until
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.mutes import Mute
from watcher.core.queries import DeliveryQuery
from watcher.core.sink_settings import SinkSettings
from watcher.delivery.incident_history import LATER_STATUS
from watcher.sinks.github import GitHubOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.simulator import Simulator
    from watcher.app.lifecycle import App
    from watcher.core.model import Target
    from watcher.core.settings import Config


APP = ("app_id", "private_key", "installation_id")


class LocalGitHub(GitHubOptions):
    """GitHub itself, at another address."""

    self_hosted: ClassVar = frozenset({"GITHUB"})


@dataclass
class Watched:
    """A stack whose repository is at GitHub, and a configuration whose sink sets the status of its commits."""

    simulator: Simulator
    target: Target
    host: GitHub
    config: Config

    def show(self, status: str, minute: float) -> None:
        self.simulator.world.show(self.target, attempt(self.target, status, at(minute), SHA))

    async def until_pending(self, app: App) -> None:
        """Let an attempt begin, until the commit is pending."""
        await until(lambda: app.recorder.record_of(self.target.id).known is not None)
        self.show(IN_PROGRESS, 1)
        await until(lambda: self.states == ["pending"])

    @property
    def states(self) -> list[str]:
        return [each["state"] for kept in self.host.statuses.values() for each in kept]


@pytest.fixture
async def watched(simulator: Simulator) -> AsyncIterator[Watched]:
    target, host = a_stack(), GitHub("example-org/infrastructure")
    async with receiving(answer=host.answer) as receiver:
        keys: dict[str, Any] = {"url": receiver.url(""), "token": SecretStr(host.token), **dict.fromkeys(APP), **REACH}
        options = LocalGitHub.model_construct(name="commits", type="github", **keys)
        config = a_config(simulator.url, [target], sinks=(SinkSettings("commits", "github", options=options),))
        made = Watched(simulator, target, host, config)
        made.show(SUCCEEDED, 0)
        yield made


ENDS = pytest.mark.parametrize(("status", "state"), [(SUCCEEDED, "success"), (FAILED, "failure")])


@ENDS
async def test_a_mute_over_the_end_of_an_attempt_leaves_no_status_pending(
    watched: Watched, status: str, state: str
) -> None:
    async with daemon(watched.config) as app:
        await watched.until_pending(app)
        await app.apply(replace(watched.config, mutes=(Mute(),)))
        watched.show(status, 1)
        await until(lambda: watched.states == ["pending", state])
        assert app.recorder.record_of(watched.target.id).unfinished == ()


@ENDS
@pytest.mark.parametrize("store", ["file", "table"])
async def test_a_sink_that_was_removed_during_the_end_of_an_attempt_leaves_no_status_pending_once_it_is_back(
    watched: Watched, status: str, state: str, store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = f"sqlite:///{tmp_path}/state.db"
    if store == "table":
        table = await request.getfixturevalue("tables")()
        where = f"dynamodb://{table.table}?region=us-east-1&endpoint_url={table.endpoint_url}&leases=off"
    config = replace(watched.config, state=where)
    async with daemon(config) as app:
        await watched.until_pending(app)
        await app.apply(replace(config, sinks=()))
        watched.show(status, 1)
        await until(lambda: app.recorder.record_of(watched.target.id).known.attempt.status == status)
    assert watched.states == ["pending"]
    async with daemon(config):
        await until(lambda: watched.states == ["pending", state])


@ENDS
async def test_a_step_that_is_requeued_after_the_end_was_sent_does_not_let_the_commit_be_pending_again(
    watched: Watched, status: str, state: str
) -> None:
    watched.host.sha = "0" * 40  # the commit is unknown
    async with daemon(watched.config) as app:

        async def found(which: DeliveryState) -> list[DeliveryRecord]:
            return await app.store.deliveries(DeliveryQuery([which], "commits"))

        await until(lambda: app.recorder.record_of(watched.target.id).known is not None)
        watched.show(IN_PROGRESS, 1)
        (step,) = await until(lambda: found(DeliveryState.DEAD))
        watched.host.sha = SHA
        watched.show(status, 1)
        await until(lambda: watched.states == [state])
        await until(lambda: found(DeliveryState.SENT))
        assert await app.store.requeue([step.event.id], "commits", app.view.clock.now()) == 1
        app.relay.wake()

        async def sent_again() -> str | None:
            return next((each.answer for each in await found(DeliveryState.SENT) if each.event == step.event), None)

        assert await until(sent_again) == LATER_STATUS
        assert watched.states == [state]
