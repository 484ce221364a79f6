"""The rules of lanes, the same in every store.

A lane is the waiting deliveries of one subject to one sink; only the oldest of them may be tried. A lane whose last try
failed has a `next_try` in seconds since 1970; it is 0 if the lane may be tried at any time.
"""

from __future__ import annotations

from watcher.core.retry_policy import MAX_RETRY_AFTER_SECONDS

OVERDUE = 1.0
"""A `next_try` long ago, and yet not 0: the lane is failing."""

OVER = "no reminder is needed any more"


def seconds_until(next_try: float, now: float) -> float:
    """Seconds until a lane is due.

    A `next_try` further away than the longest pause was planned before the clock was set back: the lane is due.
    """
    wait = next_try - now
    return 0.0 if wait > MAX_RETRY_AFTER_SECONDS else max(0.0, wait)
