"""A daemon that is killed after Slack took a message, and before that was recorded: what people see then."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import NETWORK
from tests.integration.receiver import receiving
from tests.support.simulator import attempt
from tests.support.slack_workspace import Workspace
from tests.support.waiting import until
from watcher.core.model import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from tests.integration.receiver import Received, Reply
    from tests.support.installed_command import Child, Site
    from tests.support.simulator import Simulator

T = 1_795_420_800.0


class Killing(Workspace):
    """Kills the daemon when it has taken a call of a method, before the daemon knows."""

    child: Child | None = None
    method = "/chat.postMessage"

    def answer(self, request: Received) -> Reply:
        reply = super().answer(request)
        if self.child is not None and request.path == self.method:
            self.child.signal(signal.SIGKILL)
            self.child = None
        return reply


@pytest.mark.soak
async def test_a_kill_before_the_record_repeats_what_slack_took_and_the_later_message_goes_on(
    site: Site, simulator: Simulator
) -> None:
    workspace = Killing()
    async with receiving(answer=workspace.answer) as receiver:
        site.configure(
            [NETWORK],
            "sinks:",
            f"  - {{name: chat, type: slack, bot_token: {workspace.token}, channel: '#ops', url: '{receiver.url('')}',",
            "     allow_http: true, allow_private: true}",
        )
        simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
        workspace.child = killed = site.start()
        await until(lambda: not killed.running, lambda: f"the kill; {killed.said()}")
        assert [message.updates for message in workspace.messages.values()] == [0]

        second = site.start()
        await until(lambda: site.undelivered() == 0 and len(workspace.messages) == 2, second.said)
        workspace.child, workspace.method = second, "/chat.update"
        simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T + 1))
        await until(lambda: not second.running, lambda: f"the kill; {second.said()}")

        last = site.start()
        await until(lambda: site.undelivered() == 0 and site.query("SELECT count(*) FROM event") == [(2,)], last.said)
        assert await last.stopped() == 0
    first, again = workspace.messages.values()
    assert (first.updates, first.replies) == (0, [])
    assert (again.updates, len(again.replies)) == (2, 1)
    assert "FAILED" in first.title
    assert "FAILED" not in again.title
