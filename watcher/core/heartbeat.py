"""The sign of life for an outside monitor: what is sent, and why it reports a failure. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from watcher.core.model import for_people
from watcher.util.units import format_duration

if TYPE_CHECKING:
    from pydantic import SecretStr

    from watcher.core.state import Outage

REASON = "{reason}"
"""What is replaced in `fail_url` by the reason, as a URL writes it."""

MAX_REASON = 2000
"""Characters of a reason as a body; of the longest one in a URL, a tenth of it: receivers limit their URLs."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where a sign of life is sent; it has the members of `sink_settings.Reach`."""

    url: SecretStr
    fail_url: SecretStr
    every: float = 60.0
    stale_after: float = 900.0
    method: Literal["GET", "POST"] | None = None
    """The method of all requests; None: GET to `url`, POST to `fail_url`."""
    headers: Mapping[str, SecretStr] = field(default_factory=dict, hash=False)
    allow_http: bool = False
    allow_private: bool = False
    ca_file: str | None = None
    timeout: float = 10.0
    proxy: SecretStr | Literal[False] | None = None


def fail_url_of(url: str) -> str:
    """Return the URL with `/fail` appended to its path."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.rstrip("/") + "/fail").geturl()


def with_reason(fail_url: str, reason: str) -> str:
    """Return `fail_url` with the reason in it, where it asks for one."""
    return fail_url.replace(REASON, quote(reason[: MAX_REASON // 10], safe=""))


def reason_of(
    stuck: Iterable[str],
    unreadable: Mapping[str, Outage],
    oldest: Mapping[str, datetime],
    now: datetime,
    stale_after: float,
) -> str:
    """Return why the daemon does not do its work, for people; empty: it does.

    Args:
        stuck: what makes no progress.
        unreadable: the endpoints that cannot be read.
        oldest: when the oldest pending event of each sink was recorded.
        now: the present time.
        stale_after: seconds after which a pending event is too old.
    """
    late = (
        f"the sink {sink} has an event that has been pending since {for_people(recorded)}, for more than "
        f"{format_duration(stale_after)}"
        for sink, recorded in oldest.items()
        if (now - recorded).total_seconds() > stale_after
    )
    outages = (
        f"{key} has been unreadable since {for_people(outage.since)}: {outage.code}: {outage.message}"
        for key, outage in unreadable.items()
    )
    return "; ".join((*stuck, *outages, *late))[:MAX_REASON]
