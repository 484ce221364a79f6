"""Retry policy: what a sink's response means for a delivery, and how long a delivery is tried. Pure."""

from __future__ import annotations

from math import inf

from watcher.core.ports import DeliveryOutcome, DeliveryState, SendOutcome, Verdict
from watcher.util.duration import format_duration

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
"""Seconds: full jitter up to the first, doubled up to the longest, after each failure of a subject in a row."""

LONGEST_HEEDED = 3600.0
"""Seconds that a sink is left alone at most when it asks for it."""

REMOVED = "the sink is not in the configuration any more"
"""The recorded answer of a delivery that became a dead letter because its sink was removed."""

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
