"""How long a sink is borne with: what an answer means for a delivery, and when a sink as a whole is down. Pure."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from watcher.core.ports import DeliveryOutcome, DeliveryState, Verdict
from watcher.util.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from watcher.core.ports import Delivery, DeliveryRecord, SendOutcome

UP, FAILING = "up", "failing"
"""States of a sink that accepts deliveries, and of one that refuses them."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
"""Seconds: full jitter up to the first, doubled up to the longest, after each failure of a subject in a row."""

LONGEST_HEEDED = 3600.0
"""Seconds that a sink is left alone at most when it asks for it."""

SUSPICIOUS = 3
"""A sink is down after so many subjects began to fail without a success between them, and failing after so many failed
tries of one subject."""

SPACING = 5.0
"""Seconds between sends to a sink that is down, at most: somebody's next event may be the one that gets through."""


def longest_pause(failures: int) -> float:
    """The most seconds before the next try, after so many failures before this one."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 20))


def most_borne(failures: int, deadline: float) -> float:
    """The most seconds that so many tries can have taken, of at most `deadline` each.

    A clock that was put right between two of them may tell of many more.
    """
    return sum(map(longest_pause, range(failures))) + failures * (deadline + SPACING)


def result_of(
    answer: SendOutcome,
    *,
    now: float,
    share: float,
    give_up_after: float,
    at_least: float = 0.0,
    deadline: float = inf,
) -> DeliveryOutcome:
    """What `answer`, given at `now`, means for its delivery's future.

    `share` (0 to 1) is the random part of the longest pause that is kept: one for all that failed together, so that
    they come together again. A delivery is given up when it could have been sent for `give_up_after` seconds: since
    it was recorded, or since its subject began to fail, whichever is later. A pause is `at_least` so long; a try took
    `deadline` seconds at most.
    """
    delivery = answer.delivery
    if answer.verdict is Verdict.TAKEN:
        return DeliveryOutcome(delivery, DeliveryState.SENT, answer.text)
    if answer.verdict is Verdict.NEVER:
        return DeliveryOutcome(delivery, DeliveryState.DEAD, f"refused for good: {answer.text}")
    since = max(delivery.recorded, now if delivery.failing_since is None else delivery.failing_since)
    if min(now - since, most_borne(delivery.failures, deadline)) >= give_up_after:
        # What follows of its subject has its turn at once: it may be what the sink takes, or be as late itself.
        return DeliveryOutcome(delivery, DeliveryState.DEAD, given_up(give_up_after, answer.text), failing=True)
    pause = max(at_least, share * longest_pause(delivery.failures))
    return DeliveryOutcome(delivery, DeliveryState.WAITING, answer.text, pause, failing=True)


def given_up(give_up_after: float, text: str) -> str:
    """Why a delivery is a dead letter although it was not refused."""
    return f"given up after {format_duration(give_up_after)}: {text}"


class SinkHealth:
    """Whether a sink is down or failing, by the answers to its latest sends."""

    def __init__(self) -> None:
        """It works until it does not."""
        self.down = False
        self.failing = False
        """Whether deliveries keep failing, or the latest send that ended any ended them all as dead letters."""
        self.heard_at = -inf
        """When it last took or refused something, in seconds since 1970: then it was not down."""
        self._failing: set[str] = set()

    def is_own(self, delivery: Delivery) -> bool:
        """Whether a failure is the delivery's own: the sink took others' while its subject failed."""
        return delivery.failing_since is not None and delivery.failing_since < self.heard_at

    @property
    def state(self) -> str:
        """See `inside.SinkLook`."""
        return "down" if self.down else FAILING if self.failing else UP

    def ended(self, states: Collection[DeliveryState]) -> None:
        """Update the health with the new states of the deliveries of one send."""
        if DeliveryState.SENT in states:
            self.failing = False
        elif DeliveryState.DEAD in states:
            self.failing = True

    def recall(self, record: DeliveryRecord) -> bool:
        """Update the health with a delivery of an earlier run, first the latest that ended; whether the sink fails."""
        if record.state is DeliveryState.WAITING:
            failing = record.tries >= SUSPICIOUS and record.recorded > self.heard_at
            self.failing = self.failing or failing
            return failing
        if record.state is DeliveryState.SENT:
            self.heard_at = record.ended or -inf
        self.ended([record.state])
        return self.failing

    def hear(self, answers: Sequence[SendOutcome], *, now: float, own_words: bool = False) -> bool:
        """Take in what a send brought; whether that changed anything. `own_words`: the sink itself says that it is."""
        before = self.down
        if any(answer.verdict is not Verdict.LATER for answer in answers):
            self.heard_at = now
            self.down = False
            self._failing.clear()
        elif signs := [answer for answer in answers if not self.is_own(answer.delivery)]:
            # Several that went in one send are one sign.
            self._failing.add(signs[0].delivery.event.subject)
            self.failing = self.failing or any(each.delivery.failures + 1 >= SUSPICIOUS for each in signs)
            self.down = before or own_words or len(self._failing) >= SUSPICIOUS
            if self.down:
                self._failing.clear()
        return self.down is not before
