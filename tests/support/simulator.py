"""A simulator whose world a test changes while it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.support.simulated_world import World
from watcher.core.model import Attempt, rfc3339
from watcher.simulator import server
from watcher.simulator.operations import STATUSES
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import datetime_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aiohttp import web

    from watcher.core.model import SyncEvent, Target
    from watcher.simulator.faults import Reply
    from watcher.simulator.scenario import Scenario
    from watcher.simulator.server import Call


class Simulator(server.Simulator):
    """A simulator of a changeable world; `on_call` gets each call before its reply is sent."""

    world: World

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Callable[[], float] = time.time,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        super().__init__(World(scenario, clock))
        self.on_call = on_call

    async def _send(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        if self.on_call:
            self.on_call(self.calls[-1])
        return await super()._send(request, reply)


def is_poll(call: Call) -> bool:
    """Whether a call asks for a sync status; others ask for blockers, listings, messages or credentials."""
    return (call.api, call.operation) in STATUSES


def attempt(
    target: Target,
    status: str,
    started_at: datetime | float,
    sha: str = "",
    *,
    events: tuple[SyncEvent | str, ...] = (),
    initial_sha: str = "0" * 40,
    **revision: Any,
) -> Attempt:
    """An attempt of `target` for `World.show`, its revisions as the target's API spells them.

    `started_at` may be seconds since 1970. An event given as text has the type `INFO` and the attempt's time.
    `revision`: another `branch` or `repository`.
    """
    subject = Subject(target.kind, target.identity, target.region)
    started = datetime_at(started_at if isinstance(started_at, float | int) else started_at.timestamp())
    sync_events = tuple(
        {"type": "INFO", "event": event, "time": rfc3339(started)} if isinstance(event, str) else event
        for event in events
    )
    sha = sha or f"{int(started.timestamp() * 1000):040x}"
    return Attempt(
        started,
        status,
        subject.attempt_target,
        subject.revision(initial_sha, **revision),
        subject.revision(sha, **revision),
        sync_events,
    )
