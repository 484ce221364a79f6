"""Sinks that post to a URL: which addresses they may reach, and what the receiver's response means for a delivery."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, PlainValidator, SecretStr, field_validator

from watcher.config.fields import HTTP_URL, text_schema
from watcher.config.receiver_model import ReceiverModel, may_be_reached, plain_url
from watcher.config.secrets import secret_parts
from watcher.config.sink_model import SinkModel
from watcher.config.url_readers import http_url
from watcher.core.deliveries import Verdict
from watcher.core.retry_policy import MAX_RETRY_AFTER_SECONDS
from watcher.errors import SinkError, SinkGone
from watcher.util.bounded_text import LONGEST_TEXT
from watcher.util.redaction import printable, redacted_excerpt

if TYPE_CHECKING:
    from watcher.sinks.poster import Poster

FINAL = frozenset({400, 413, 414, 415, 422})
"""Statuses of RFC 9110 that reject the body itself: it would be rejected again, whatever an operator fixes."""

UNSAID_WAIT_SECONDS = 60.0
"""How long to wait after a response that there are too many requests, if it does not say how long."""


def _base_url(value: object) -> str:
    url = http_url(value, example="https://api.example.com")
    if "?" in url or "#" in url:
        raise ValueError("this URL must not have a query or a fragment: the path of the API is appended to it")
    return url


BaseUrl = Annotated[str, PlainValidator(_base_url), AfterValidator(lambda url: url.rstrip("/")), text_schema(HTTP_URL)]
"""The URL to which the paths of an API are appended."""


class ReceiverOptions(ReceiverModel, SinkModel):
    """The options of a sink that posts: how its receivers may be reached."""

    @property
    def send_deadline(self) -> float:
        """Seconds that a send may take: longer than its post, so that it can return that the post timed out."""
        return self.timeout + 1.0

    def poster_to(self, url: str, secrets: Collection[str] = (), *, secret_url: bool = True) -> Poster:
        from watcher.sinks.poster import Poster

        return Poster(url, self, secrets, secret_url=secret_url)


class HttpOptions(ReceiverOptions):
    """The options of a sink that posts to a URL; each type defines the form of `url`."""

    url: str | SecretStr
    """The URL to post to."""

    _may_be_reached = field_validator("url", mode="after")(may_be_reached)

    def secret_texts(self) -> Iterator[str]:
        """Yield the long parts of the URL: of a webhook's URL, all but the host is often its only secret.

        The poster hides shorter ones, too, where the receiver repeats them.
        """
        yield from secret_parts(plain_url(self.url), value=8, segment=16)

    def poster(self, secrets: Collection[str] = (), *, secret_url: bool = True) -> Poster:
        return self.poster_to(plain_url(self.url), secrets, secret_url=secret_url)


class PostingSink:
    """A sink that makes its requests by one poster."""

    _poster: Poster

    async def close(self) -> None:
        await self._poster.close()


@dataclass(frozen=True, slots=True)
class Post:
    """A request: the path that is appended to the base URL, and the body, which is sent as JSON."""

    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """A receiver's response."""

    status: int
    reason: str = ""
    text: str = ""
    """The beginning of its body: see `first_line`."""
    retry_after: float | None = None
    """The seconds for which it wants no request: see `requested_wait`."""
    body: str = field(default="", repr=False)
    """Its body as it came, as far as it was read: it may have secrets in it."""

    def __str__(self) -> str:
        """Return the status line and the beginning of the body: at most 200 bytes, without secrets."""
        status = f"{self.status} {self.reason}".rstrip()
        return printable(redacted_excerpt(f"{status}: {self.text}" if self.text else status, 200))


def first_line(body: str) -> str:
    """Return the first non-blank line, cut to `LONGEST_TEXT` characters since the search for secrets takes time."""
    return next((line.strip()[:LONGEST_TEXT] for line in body.splitlines() if not line.isspace() and line), "")


def json_object(body: str) -> dict[str, Any] | None:
    """Return the JSON object in a response; None: the body is something else, or is nested too deeply to be read."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


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


def requested_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds for which a receiver wants no request, at most an hour; None: its response does not say.

    They are in the standard header or in Atlassian's. GitHub sends the time (seconds since 1970) from which on there
    may be requests again, and that none may be made before.
    """
    wait = retry_after(headers.get("Retry-After") or headers.get("X-RateLimit-Period-In-Sec"), now)
    again = headers.get("X-RateLimit-Reset", "")
    if wait is None and headers.get("X-RateLimit-Remaining") == "0" and re.fullmatch("[0-9]{10}", again):
        wait = min(max(0.0, int(again) - now.timestamp()), MAX_RETRY_AFTER_SECONDS)
    return wait


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds in a `Retry-After` header (RFC 9110, 10.2.3), at most an hour; None: missing or malformed."""
    if value is None:
        return None
    with suppress(ValueError, OverflowError):
        if value.isascii() and value.isdigit():
            seconds = float(int(value))
        else:
            date = parsedate_to_datetime(value)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()
        return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)
    return None
