"""`test-sink` of sinks for the services of vendors: what it prints, and what it leaves at the receiver."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import command
from tests.integration.receiver import Received, Reply, receiving
from tests.support.adaptive_cards import faults
from tests.support.git_hosts import GitHub
from tests.support.incidents import Jsm, PagerDuty
from tests.support.slack_workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CONFIG = """
accounts: [{{name: default, regions: [us-east-1]}}]
stacks: [{{name: network}}]
sinks:
  - {{name: pd, type: pagerduty, routing_key: {pd.key}, url: '{pd_url}', {reach}}}
  - {{name: jira, type: jsm, api_key: {jira.key}, url: '{jira_url}', {reach}}}
  - {{name: chat, type: slack, bot_token: {chat.token}, channel: '#ops', url: '{chat_url}', {reach}}}
  - {{name: team, type: teams, url: '{team_url}', {reach}}}
  - {{name: commits, type: github, token: {commits.token}, url: '{commits_url}', {reach}}}
"""


class Team:
    """A workflow of Teams, which keeps the cards."""

    def __init__(self) -> None:
        self.cards: list[Any] = []

    def answer(self, request: Received) -> Reply:
        card = json.loads(request.body)
        assert faults(card) == []
        self.cards.append(card)
        return Reply(202)


class Services(dict[str, Any]):
    """The receivers' state by the names of their sinks, and the file that configures them."""

    file: Path


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    made = Services(pd=PagerDuty(), jira=Jsm(), chat=Workspace(), team=Team(), commits=GitHub("org/repo"))
    urls: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        for name, service in made.items():
            receiver = await stack.enter_async_context(receiving(answer=service.answer))
            urls[f"{name}_url"] = receiver.url("")
        made.file = tmp_path / "watcher.yaml"
        made.file.write_text(CONFIG.format(**made, **urls, reach="allow_http: true, allow_private: true"))
        yield made


async def test_a_trial_of_each_sink_shows_what_was_sent_and_leaves_nothing_open(services: Services) -> None:
    said = {}
    for name in services:
        code, printed = await command(services.file, "test-sink", name)
        assert code == 0, printed
        said[name] = printed
    secrets = [services[name].key for name in ("pd", "jira")] + [services["chat"].token, services["commits"].token]
    assert not any(secret in printed for secret in secrets for printed in said.values())
    pd, jira, chat = services["pd"], services["jira"], services["chat"]
    assert (list(pd.opened), list(pd.resolved), pd.open) == (["watcher:test/pd"], ["watcher:test/pd"], {})
    assert said["pd"].startswith("  TEST: sink pd\n")
    assert "\npd (pagerduty) accepted the test event: 202" in said["pd"]
    assert (jira.open, [alert["alias"] for alert in jira.closed]) == ({}, ["watcher:test/jira"])
    assert said["jira"].startswith("  TEST: sink jira\n")
    assert "\njira (jsm) accepted the test event: 202" in said["jira"]
    (message,) = chat.messages.values()
    assert "TEST" in message.title
    assert "nothing has happened" in said["chat"]
    assert "chat (slack) accepted the test event: posted message 1764489600.000001 in C0123ABCD" in said["chat"]
    assert len(services["team"].cards) == 1
    assert "nothing has happened" in said["team"]
    assert services["commits"].statuses == {}
    assert "not sent: a test event has no commit, so the token was not tried" in said["commits"]
