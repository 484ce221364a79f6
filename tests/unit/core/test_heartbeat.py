"""What a heartbeat says, and to which URL."""

from datetime import datetime
from typing import Any

import pytest

from tests.unit.conftest import minute
from watcher.core.heartbeat import MAX_REASON, fail_url_of, reason_of, with_reason
from watcher.core.state import Outage

OUTAGE = Outage(minute(1), "AccessDeniedException", "not allowed", 3)
UNREADABLE = (
    "prod/us-east-1/proton has been unreadable since 2026-11-23 08:01:00 UTC: AccessDeniedException: not allowed"
)
LATE = "the sink ops has an event that has been pending since 2026-11-23 08:05:00 UTC, for more than 15m"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({}, ""),
        ({"stuck": ["the poller of x hangs"]}, "the poller of x hangs"),
        ({"unreadable": {"prod/us-east-1/proton": OUTAGE}}, UNREADABLE),
        ({"oldest": {"ops": minute(5)}}, LATE),
        ({"oldest": {"ops": minute(5.01)}}, ""),
        (
            {"stuck": ["x hangs", "y hangs"], "oldest": {"a": minute(5.02), "ops": minute(5)}},
            f"x hangs; y hangs; {LATE}",
        ),
        (
            {"stuck": ["x hangs"], "unreadable": {"prod/us-east-1/proton": OUTAGE}, "oldest": {"ops": minute(5)}},
            f"x hangs; {UNREADABLE}; {LATE}",
        ),
    ],
)
def test_a_heartbeat_says_what_is_stuck_unreadable_or_pending_for_too_long(found: dict[str, Any], reason: str) -> None:
    given: dict[str, Any] = {"stuck": [], "unreadable": {}, "oldest": {}, **found}
    now: datetime = minute(20.01)
    assert reason_of(**given, now=now, stale_after=900.0) == reason


def test_a_long_reason_is_cut() -> None:
    reason = reason_of(["é" * 9000], {}, {}, minute(1), 900.0)
    assert len(reason) == MAX_REASON
    assert with_reason("https://a/?msg={reason}", reason) == "https://a/?msg=" + "%C3%A9" * (MAX_REASON // 10)


@pytest.mark.parametrize(
    ("url", "fail_url"),
    [
        ("https://hc-ping.com/1-2", "https://hc-ping.com/1-2/fail"),
        ("https://hc-ping.com/1-2/", "https://hc-ping.com/1-2/fail"),
        ("https://hc-ping.com/key/slug?create=1", "https://hc-ping.com/key/slug/fail?create=1"),
        ("https://hc-ping.com/X", "https://hc-ping.com/X/fail"),
        ("https://monitor", "https://monitor/fail"),
    ],
)
def test_fail_is_appended_to_the_path_before_the_query(url: str, fail_url: str) -> None:
    assert fail_url_of(url) == fail_url


@pytest.mark.parametrize(
    ("fail_url", "filled"),
    [
        ("https://a/fail", "https://a/fail"),
        ("https://a/push?status=down&msg={reason}", "https://a/push?status=down&msg=x%3A%20a%2Fb"),
        ("https://a/{reason}/{reason}", "https://a/x%3A%20a%2Fb/x%3A%20a%2Fb"),
    ],
)
def test_the_reason_is_escaped_where_the_url_has_it(fail_url: str, filled: str) -> None:
    assert with_reason(fail_url, "x: a/b") == filled
