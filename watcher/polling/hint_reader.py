"""Reads one queue of hints: makes what each message names due, and deletes the message when that poll was recorded.

A message is hidden from other readers while its polls are under way, and comes again if they fail or the process dies.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from math import inf
from random import uniform
from typing import Protocol

import structlog

from watcher.aws.queue import MAX_MESSAGES, Message, Queue
from watcher.core.hints import Hint, HintIndex
from watcher.core.model import EndpointKey, Target
from watcher.core.ports import Clock
from watcher.errors import PollFailed
from watcher.observability.daemon_view import HintQueueStatus
from watcher.observability.observer import HintOutcome, Observer
from watcher.polling.pending_hints import Answer
from watcher.sources.git_sync_events import read_hint

log = structlog.get_logger()

HIDDEN_SECONDS, PROLONG_SECONDS = 30, 12.0
"""For how long a message is hidden, and after which time this is prolonged while its polls are under way."""

HOLD_SECONDS = 300.0
"""The longest time that a message waits for its polls; then it is shown again."""

REPEAT_SECONDS = 30
"""Seconds after which a message is shown again if its poll failed because the endpoint cannot be read."""

FAILURES = 2
"""How many calls in a row must fail until the queue counts as unreadable; a failure that cannot pass counts at once."""

MAX_PAUSE_SECONDS = 60.0
"""The longest pause after a call that failed; it doubles from two seconds."""

RELEASE_SECONDS = 2.0
"""The time limit, when the reading ends, for showing the messages again that are under way."""

LOG_SECONDS = 60.0
"""The shortest time between two log lines about malformed messages."""

MAX_VISIT_PAUSE_SECONDS = 8
"""The longest time until a message that another daemon handles is shown again."""

MAX_VISITS, MAX_SHARED_VISITS = 24, 4
"""How often a message is received before it is deleted, if other daemons poll all of its targets, or some of them."""


class Hinted(Protocol):
    """What a hint can name, and what it causes."""

    def index(self) -> HintIndex:
        """Return the targets that hints can name."""

    def poll(self, target: Target) -> Answer | None:
        """Make a target due at once; None: it is not polled here."""

    def discover_soon(self) -> None:
        """Start a discovery, which may find what is not watched yet."""

    def changed(self) -> None:
        """Note that a queue reports the changes of other endpoints than before."""


class HintReader:
    """Reads one queue, by one task."""

    def __init__(self, url: str, queue: Queue, hinted: Hinted, observer: Observer, clock: Clock) -> None:
        """`run` starts the reading."""
        self.status = HintQueueStatus()
        self._queue = queue
        self._hinted = hinted
        self._observer = observer
        self._clock = clock
        self._under_way: set[Message] = set()
        self._handled = asyncio.Event()
        self._most = MAX_MESSAGES
        self._failures = 0
        self._malformed, self._malformed_logged = 0, -inf
        self._log = log.bind(queue=url)

    @property
    def heard(self) -> Collection[EndpointKey]:
        """The endpoints whose changes the queue reports, as far as it can be read."""
        return self.status.heard if self.status.readable else ()

    async def run(self) -> None:
        """Read until cancelled; then show the messages again that are under way."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for message in await self._receive():
                        self._under_way.add(message)
                        group.create_task(self._handle(message))
        finally:
            try:
                async with asyncio.timeout(RELEASE_SECONDS):
                    if self._under_way:
                        await self._queue.show([*self._under_way])
            except (PollFailed, TimeoutError) as error:
                consequence = f"messages that were under way come again after {HIDDEN_SECONDS} s"
                self._log.info("hints.release_failed", error=str(error), consequence=consequence)
            await self._queue.close()

    async def _receive(self) -> Sequence[Message]:
        """Return the next messages; none if there are none for a while, or the call failed."""
        self._handled.clear()
        room = MAX_MESSAGES - len(self._under_way)
        if room <= 0:
            await self._handled.wait()
            return ()
        try:
            messages = await self._queue.receive(min(room, self._most), HIDDEN_SECONDS)
        except PollFailed as error:
            if error.code == "AnswerTooLong":
                self._most = 1
            self._failed(error)
            await asyncio.sleep(uniform(0.5, 1.0) * min(MAX_PAUSE_SECONDS, 2.0**self._failures))  # noqa: S311  jitter
            return ()
        self._most = min(MAX_MESSAGES, 2 * self._most)
        self._succeeded(len(messages))
        return messages

    def _failed(self, error: PollFailed) -> None:
        self._failures = min(self._failures + 1, 30)
        self.status = replace(self.status, error=str(error))
        if self.status.readable is not False and (self._failures >= FAILURES or not error.passing):
            consequence = "targets are polled as often as without hints until it can be read"
            self._log.warning("hints.failed", code=error.code, error=error.message, consequence=consequence)
            self.status = replace(self.status, readable=False)
            self._hinted.changed()

    def _succeeded(self, messages: int) -> None:
        before, self._failures = self.status, 0
        self.status = replace(before, readable=True, error="", messages=before.messages + messages)
        if messages:
            self.status = replace(self.status, received=self._clock.now())
        if before.readable is False:
            self._log.info("hints.recovered")
        if not before.readable:
            self._hinted.changed()

    async def _handle(self, message: Message) -> None:
        try:
            outcome, targets = await self._outcome(message)
            self._observer.hinted(outcome, targets)
        except PollFailed as error:
            consequence = f"the message comes again after {HIDDEN_SECONDS} s"
            self._log.warning("hint.settle_failed", error=str(error), consequence=consequence)
        except Exception:  # noqa: BLE001  a bug with one message must not stop the reading of the others
            self._log.exception("hint.crashed")
        self._under_way.discard(message)  # not if it was cancelled
        self._handled.set()

    async def _outcome(self, message: Message) -> tuple[HintOutcome, Sequence[Target]]:
        """Handle a message, and settle it: delete it, or let it come again.

        Raises:
            PollFailed: the queue did not settle it.
        """
        try:
            hint = read_hint(message.body)
        except ValueError as error:
            self._log_malformed(str(error))
            await self._queue.delete(message)
            return HintOutcome.MALFORMED, ()
        index = self._hinted.index()
        targets = index.named(hint)
        if not targets:
            self._hinted.discover_soon()
            await self._queue.delete(message)
            return HintOutcome.UNWATCHED, ()
        self._hear(index, hint, targets)
        answers = [answer for target in targets if (answer := self._hinted.poll(target)) is not None]
        if answers and not await self._recorded(message, answers):
            await self._queue.hide(message, REPEAT_SECONDS)
            return HintOutcome.FAILED, targets
        visits = MAX_SHARED_VISITS if answers else MAX_VISITS
        if len(answers) < len(targets) and message.receives < visits:
            await self._queue.hide(message, seconds_until_next_visit(message.receives))
        else:
            await self._queue.delete(message)
        return HintOutcome.POLLED if answers else HintOutcome.ELSEWHERE, targets

    async def _recorded(self, message: Message, answers: Sequence[Answer]) -> bool:
        """Return whether a poll that answers the message was recorded for each target; meanwhile it stays hidden."""
        until = self._clock.monotonic() + HOLD_SECONDS
        waiting: Collection[Answer] = answers
        while waiting and self._clock.monotonic() < until:
            _, waiting = await asyncio.wait(waiting, timeout=PROLONG_SECONDS)
            if waiting:
                await self._queue.hide(message, HIDDEN_SECONDS)
        return not waiting and all(answer.result() for answer in answers)

    def _hear(self, index: HintIndex, hint: Hint, targets: Sequence[Target]) -> None:
        if new := {*index.heard(hint, targets)} - {*self.status.heard}:
            self.status = replace(self.status, heard=frozenset({*self.status.heard, *new}))
            self._hinted.changed()

    def _log_malformed(self, reason: str) -> None:
        self._malformed += 1
        now = self._clock.monotonic()
        if now - self._malformed_logged >= LOG_SECONDS:
            consequence = "they are deleted"
            self._log.warning("hint.malformed", reason=reason, messages=self._malformed, consequence=consequence)
            self._malformed, self._malformed_logged = 0, now


def seconds_until_next_visit(receives: int) -> int:
    """Return the seconds until a message that another daemon handles, received `receives` times, is shown again.

    They are 0 at first, then 1, 2, 4, and 8 from then on. Each pause is short enough that the hint is still of use, and
    all pauses together outlast a takeover.
    """
    return 0 if receives <= 3 else min(MAX_VISIT_PAUSE_SECONDS, 2 ** min(receives - 4, 10))
