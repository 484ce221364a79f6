"""Retry policy: what a sink's response means for a delivery, and how long a delivery is tried. Pure."""

from math import inf

from watcher.core.deliveries import DeliveryOutcome, DeliveryState, SendOutcome, Verdict
from watcher.util.units import format_duration

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0
"""The limits of the pause after a failed try: the first, which doubles with each failure of a subject in a row, up to
the longest. The pause is a random share of its limit (full jitter)."""

MAX_RETRY_AFTER_SECONDS = 3600.0
"""The longest pause that a sink may ask for."""

REMOVED = "the sink is no longer in the configuration"
"""The recorded answer of a delivery that became a dead letter because its sink was removed."""

REPLAYED = "queued by `replay_from`"
"""The recorded answer of a delivery that is sent to a new sink, before its first try."""

OVER = "the reminder is no longer needed"
"""The recorded answer of a reminder that was dropped."""

OVERDUE = 1.0
"""A `next_try` long ago, and yet not 0: the lane is failing."""

SPACING_SECONDS = 5.0
"""The longest time between two sends to a sink that is down: the next event may be the one that it accepts."""


def longest_pause(failures: int) -> float:
    """Return the limit of the pause after a failed try, in seconds; `failures` is how many tries failed before it."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 20))


def longest_series(failures: int, deadline: float) -> float:
    """Return the most seconds that so many failed tries can have taken, if each took at most `deadline` seconds.

    The wall clock may show much more time, if it was corrected between two of them.
    """
    return sum(map(longest_pause, range(failures))) + failures * (deadline + SPACING_SECONDS)


def seconds_until(next_try: float, now: float) -> float:
    """Return the seconds until a lane whose last try failed is due; `next_try` is 0 for any other lane.

    A `next_try` further away than the longest pause was planned before the clock was set back: the lane is due.
    """
    wait = next_try - now
    return 0.0 if wait > MAX_RETRY_AFTER_SECONDS else max(0.0, wait)


def after_try(
    sent: SendOutcome,
    *,
    now: float,
    share: float,
    give_up_after: float,
    at_least: float = 0.0,
    deadline: float = inf,
) -> DeliveryOutcome:
    """Return the new state of a delivery after one try.

    A delivery is given up when it could have been sent for `give_up_after` seconds: since it was recorded, or since its
    subject began to fail, whichever is later.

    Args:
        sent: the outcome of the try.
        now: when the try ended, in seconds since 1970.
        share: the random share (0 to 1) of the longest pause; the same for all deliveries that failed together, so that
            they are tried together again.
        give_up_after: the seconds after which the delivery is given up.
        at_least: the seconds that the pause lasts at least.
        deadline: the most seconds that a try takes.
    """
    delivery = sent.delivery
    if sent.verdict is Verdict.TAKEN:
        return DeliveryOutcome(delivery, DeliveryState.SENT, sent.text)
    if sent.verdict is Verdict.NEVER:
        return DeliveryOutcome(delivery, DeliveryState.DEAD, f"permanently refused: {sent.text}")
    since = max(delivery.recorded, now if delivery.failing_since is None else delivery.failing_since)
    if min(now - since, longest_series(delivery.failures, deadline)) >= give_up_after:
        # No pause: the next delivery of the subject may be accepted, or be as late itself.
        return DeliveryOutcome(delivery, DeliveryState.DEAD, given_up(give_up_after, sent.text), failing=True)
    pause = max(at_least, share * longest_pause(delivery.failures))
    return DeliveryOutcome(delivery, DeliveryState.WAITING, sent.text, pause, failing=True)


def given_up(give_up_after: float, text: str) -> str:
    """Return the recorded answer of a delivery that became a dead letter although the sink did not refuse it."""
    return f"given up after {format_duration(give_up_after)}: {text}"
