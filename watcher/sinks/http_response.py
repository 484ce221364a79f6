"""What a receiver's HTTP response means for a delivery. Pure."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from watcher.core.ports import Verdict
from watcher.core.retry_policy import MAX_RETRY_AFTER_SECONDS
from watcher.errors import SinkError, SinkGone
from watcher.util.bounded_text import LONGEST_TEXT
from watcher.util.redaction import excerpt, printable

MAX_TEXT_BYTES = 200
"""Bytes of a response that are kept for people."""


@dataclass(frozen=True, slots=True)
class Response:
    """A receiver's response."""

    status: int
    reason: str = ""
    text: str = ""
    """The beginning of its body: see `first_line`."""
    retry_after: float | None = None
    """The seconds in its `Retry-After`."""

    def __str__(self) -> str:
        """Return the status line and the beginning of the body, without secrets."""
        status = f"{self.status} {self.reason}".rstrip()
        return printable(excerpt(f"{status}: {self.text}" if self.text else status, MAX_TEXT_BYTES))


def first_line(body: str) -> str:
    """Return the first non-blank line, cut to `LONGEST_TEXT` characters since the search for secrets takes time."""
    return next((line.strip()[:LONGEST_TEXT] for line in body.splitlines() if not line.isspace() and line), "")


FINAL = frozenset({400, 413, 414, 415, 422})
"""Statuses of RFC 9110 that reject the body itself: it would be rejected again, whatever an operator fixes."""


def verdict(response: Response) -> tuple[Verdict, str]:
    """Return what a response means for the delivery that was sent, and its text for people.

    Raises:
        SinkError: 429 or 503 with `Retry-After`: nothing may be sent to the sink for that long.
        SinkGone: 410: the receiver accepts no more events.
    """
    text = str(response)
    match response.status:
        case status if 200 <= status < 300:
            return Verdict.TAKEN, text
        case 410:
            raise SinkGone(f"it responded {text}")
        case 429 | 503:
            if response.retry_after is not None:
                raise SinkError(f"it responded {text}", retry_after=response.retry_after)
            return Verdict.LATER, text
        case status if 300 <= status < 400:
            return Verdict.LATER, f"{replace(response, text='')}: redirects are not followed"
    return Verdict.NEVER if response.status in FINAL else Verdict.LATER, text


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds in a `Retry-After` header (RFC 9110, 10.2.3), at most an hour; None: missing or malformed."""
    if value is None:
        return None
    with suppress(ValueError, OverflowError):
        seconds = int(value) if value.isascii() and value.isdigit() else _until(value, now)
        return min(max(0.0, float(seconds)), MAX_RETRY_AFTER_SECONDS)
    return None


def _until(date: str, now: datetime) -> float:
    moment = parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()
