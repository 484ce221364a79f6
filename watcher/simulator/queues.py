"""The messages of the simulated SQS: which can be received when, and what a receipt is worth."""

from __future__ import annotations

import base64
import heapq
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

from watcher.simulator.aws_json import ApiError

MAX_MESSAGES = 120_000
"""The most messages that a queue keeps; of more, the oldest is dropped, as if its retention had ended."""


@dataclass(slots=True)
class Message:
    """A message; moments are seconds since the world's start. `receives`: how often it was received."""

    id: str
    body: str
    sent: float
    visible: float
    receives: int = 0
    first_received: float | None = None

    @property
    def receipt(self) -> str:
        """The handle of the last time that it was received."""
        return base64.b64encode(f"{self.id} {self.receives}".encode()).decode()


@dataclass(slots=True)
class Queue:
    """One standard queue. `visibility` is for how many seconds a received message is hidden by default."""

    name: str
    visibility: float = 30.0
    messages: dict[str, Message] = field(default_factory=dict)
    _order: list[tuple[float, int, Message]] = field(default_factory=list)
    """A heap by the moment at which each becomes visible; an entry whose moment is not the message's is void."""
    _numbers: count[int] = field(default_factory=count)

    def send(self, body: str, now: float, delay: float = 0.0) -> Message:
        """Add a message that can be received after `delay` seconds."""
        message = Message(str(uuid4()), body, now, now + delay)
        self.messages[message.id] = message
        if len(self.messages) > MAX_MESSAGES:
            del self.messages[next(iter(self.messages))]
        self._push(message)
        return message

    def receive(self, most: int, now: float, visibility: float | None = None) -> list[Message]:
        """At most so many visible messages, which are hidden for `visibility` seconds."""
        found: list[Message] = []
        while len(found) < most and (due := self.next_visible()) is not None and due <= now:
            message = heapq.heappop(self._order)[2]
            message.receives += 1
            if message.first_received is None:
                message.first_received = now
            message.visible = now + (self.visibility if visibility is None else visibility)
            found.append(message)
        for message in found:
            self._push(message)
        return found

    def delete(self, receipt: str) -> None:
        """Delete the message, if the receipt is of the last time that it was received.

        Raises:
            ApiError: it is not a receipt.
        """
        message = self._received(receipt)
        if message and message.receipt == receipt:
            del self.messages[message.id]

    def change_visibility(self, receipt: str, seconds: float, now: float) -> None:
        """Hide the message for so many seconds from now on; 0: show it.

        Raises:
            ApiError: it is not a receipt, or the message is not hidden.
        """
        message = self._received(receipt)
        if message is None or message.visible <= now:
            raise ApiError("MessageNotInflight", "The specified message isn't in flight.")
        message.visible = now + seconds
        self._push(message)

    def next_visible(self) -> float | None:
        """The moment at which the next message is visible; None: there is no message."""
        while self._order:
            visible, _, message = self._order[0]
            if message.visible == visible and message.id in self.messages:
                return visible
            heapq.heappop(self._order)
        return None

    def _received(self, receipt: str) -> Message | None:
        """The message of a receipt; None if it was deleted."""
        try:
            id_, number = base64.b64decode(receipt, validate=True).decode().split()
            int(number)
        except ValueError:
            message = f'The input receipt handle "{receipt}" is not a valid receipt handle.'
            raise ApiError("ReceiptHandleIsInvalid", message) from None
        return self.messages.get(id_)

    def _push(self, message: Message) -> None:
        heapq.heappush(self._order, (message.visible, next(self._numbers), message))
