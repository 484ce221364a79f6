"""Receivers of alerts that fail or refuse when a test wants it; what each accepted is kept for the oracle."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

from tests.integration.receiver import Cut, Received, Receiver, Reply
from tests.support.alerts_oracle import Step
from tests.support.incidents import PagerDuty
from tests.support.slack_workspace import Workspace
from tests.support.slack_workspace import answer as slack_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from tests.support.alerts_oracle import Incidents

REACH = "allow_http: true, allow_private: true, timeout: 2s"

PARALLEL = 2
"""Messages that a daemon sends to a chat at the same time."""


class Mood(Enum):
    """How a receiver answers."""

    CALM = auto()
    UNRELIABLE = auto()
    """It fails now and then, before or after it accepted a request."""
    REFUSING = auto()
    """It refuses every request permanently, so each delivery becomes a dead letter."""


@dataclass
class Moody:
    """A receiver; `trap` is called once, after it accepted a request and before it responds."""

    chance: Random
    mood: Mood = Mood.CALM
    trap: Callable[[], None] | None = None
    unanswered: int = 0
    """How many requests it accepted without a response that says so."""

    def __post_init__(self) -> None:
        self.receiver = Receiver(answer=self._answer)

    def take(self, received: Received) -> Reply:
        raise NotImplementedError

    def refuse(self) -> Reply:
        return Reply(400)

    def _answer(self, received: Received) -> Reply:
        if self.mood is Mood.REFUSING:
            return self.refuse()
        failing = self.mood is Mood.UNRELIABLE and self.chance.random() < 0.3
        if failing and self.chance.random() < 0.5:
            return Reply(500)
        reply = self.take(received)
        if self.trap is not None:
            trap, self.trap = self.trap, None
            self.unanswered += 1
            trap()
        if failing:
            self.unanswered += 1
            return self.chance.choice((Reply(500), Reply(cut=Cut.AFTER)))
        return reply


@dataclass
class Pager(Moody):
    """PagerDuty."""

    name: str = ""
    service: PagerDuty = field(default_factory=PagerDuty)
    steps: list[Step] = field(default_factory=list)

    def line(self, *keys: str) -> str:
        """Its sink in the configuration."""
        url = self.receiver.url("")
        of_all = [f"name: {self.name}, type: pagerduty, routing_key: {self.service.key}, url: '{url}', {REACH}", *keys]
        return f"  - {{{', '.join(of_all)}}}"

    def take(self, received: Received) -> Reply:
        reply = self.service.answer(received)
        assert reply.status == 202, reply.body
        form = json.loads(received.body)
        subject = form["dedup_key"].removeprefix("watcher:")
        if form["event_action"] == "trigger":
            self.steps.append(Step(subject, form["payload"]["class"], form["payload"]["timestamp"]))
        else:
            self.steps.append(Step(subject))
        return reply


TEMPLATE = (
    "{% set about = event.data.get('incident') %}{% if about %}{{ about.id }} {{ about.state }}{% else %}-{% endif %}"
)


@dataclass
class Chat(Moody):
    """A channel of Slack; the text of each message is made by `TEMPLATE`."""

    workspace: Workspace = field(default_factory=Workspace)

    def line(self) -> str:
        """Its sink in the configuration."""
        keys = f"name: chat, type: slack, bot_token: {self.workspace.token}, channel: '#ops'"
        return f"  - {{{keys}, url: '{self.receiver.url('')}', template: {json.dumps(TEMPLATE)}, {REACH}}}"

    def take(self, received: Received) -> Reply:
        return self.workspace.answer(received)

    def refuse(self) -> Reply:
        return slack_answer(error="invalid_blocks")

    def states(self) -> dict[str, Counter[str]]:
        """How many messages show each incident in which state now."""
        found: dict[str, Counter[str]] = {}
        for message in self.workspace.messages.values():
            about = message.form["blocks"][0].get("text", {}).get("text", "").split()
            if len(about) == 2:
                found.setdefault(about[0], Counter())[about[1]] += 1
        return found


class Receivers:
    """Five pagers and a chat; the sinks of some of the pagers change."""

    def __init__(self, chance: Random) -> None:
        self.always = Pager(chance, name="always")
        """Is sent all problems."""
        self.errors = Pager(chance, name="errors")
        """Is sent failures only, and their ends."""
        self.some = [Pager(chance, name=name) for name in ("one", "two", "three")]
        """Those whose sinks change."""
        self.chat = Chat(chance)
        """Is sent all problems."""
        self.pagers = [self.always, self.errors, *self.some]
        self.all: list[Moody] = [*self.pagers, self.chat]
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for each in self.all:
            await each.receiver.start()
            self._stack.push_async_callback(each.receiver.stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def lines(self, some: Mapping[str, Sequence[str]]) -> list[str]:
        """The sinks in the configuration; `some`: the keys of those that change, by their names."""
        always = [self.always.line(), self.errors.line("min_severity: error"), self.chat.line()]
        return always + [each.line(*some[each.name]) for each in self.some if each.name in some]

    def calm_down(self) -> None:
        """Let all of them accept everything from now on."""
        for each in self.all:
            each.mood, each.trap = Mood.CALM, None

    def judge(self, incidents: Incidents, kills: int, corrections: int) -> dict[str, int]:
        """Compare what each of them shows with the incidents; returns how many each was sent.

        Args:
            incidents: the recorded ones.
            kills: how many daemons may have ended during a send.
            corrections: how many alerts were corrected after a late send.

        Raises:
            MisledError: one shows something else.
        """
        sent = {
            each.name: incidents.judge(
                each.name, each.steps, kills + each.unanswered + corrections, sent_all=each is self.always
            )
            for each in self.pagers
        }
        left = incidents.judge_messages(self.chat.states(), self.chat.unanswered + PARALLEL * kills)
        return {**sent, "messages left": left}
