"""The calls to an endpoint that go behind its polls: those of listings. They share its connections and its rate."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watcher.errors import Superseded
from watcher.polling.endpoint import Endpoint

POLLS_BETWEEN = 9
"""How many polls go before each background call while polls wait for the rate. So background calls get at least a tenth
of the rate, and a listing ends even if there are more polls than the rate allows."""


@dataclass(eq=False, slots=True)
class BackgroundCall:
    """A call that waits for its turn; `answer` is set when it has ended."""

    operation: str
    parameters: Mapping[str, Any]
    timeout: float
    answer: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class BackgroundCalls:
    """The calls that wait for a turn, the oldest first."""

    def __init__(self) -> None:
        self.tried = False
        """Whether any call has ended, with any outcome."""
        self._waiting: deque[BackgroundCall] = deque()
        self._polls = 0

    def add(self, operation: str, parameters: Mapping[str, Any], timeout: float) -> BackgroundCall:
        """Let a call wait for its turn. One whose `answer` is cancelled is not made."""
        call = BackgroundCall(operation, parameters, timeout)
        self._waiting.append(call)
        return call

    def is_next(self, *, poll_is_due: bool) -> bool:
        """Return whether the next call is a background one, and count a poll that goes before it."""
        while self._waiting and self._waiting[0].answer.done():
            self._waiting.popleft()
        if not self._waiting:
            return False
        if poll_is_due and self._polls < POLLS_BETWEEN:
            self._polls += 1
            return False
        self._polls = 0
        return True

    def take(self) -> BackgroundCall | None:
        """Remove and return the oldest call; None: none waits any more."""
        while self._waiting:
            call = self._waiting.popleft()
            if not call.answer.done():
                return call
        return None

    async def make(self, call: BackgroundCall, endpoint: Endpoint) -> None:
        """Make a call that was admitted."""
        try:
            answer = await endpoint.call(call.operation, call.parameters, call.timeout)
        except asyncio.CancelledError:
            call.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001  it is raised where the answer is awaited
            if not call.answer.done():
                call.answer.set_exception(error)
        else:
            if not call.answer.done():
                call.answer.set_result(answer)
        self.tried = True

    def refuse(self, reason: str) -> None:
        """End all calls that wait: they will not be made."""
        while self._waiting:
            call = self._waiting.popleft()
            if not call.answer.done():
                call.answer.set_exception(Superseded(reason))
