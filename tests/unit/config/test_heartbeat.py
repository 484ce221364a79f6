"""What heartbeat a valid configuration sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from watcher.core.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config

URL, FAIL_URL = SecretStr("https://hc-ping.com/1-2"), SecretStr("https://hc-ping.com/1-2/fail")
PUSH, DOWN = SecretStr("http://kuma/x?up"), SecretStr("http://kuma/x?down={reason}")


@pytest.mark.parametrize(
    ("written", "heartbeat"),
    [
        ("{url: https://hc-ping.com/1-2}", Heartbeat(URL, FAIL_URL)),
        ("{url: https://hc-ping.com/1-2, fail_url: , every: 30s, stale_after: 1h, timeout: 5s}",
         Heartbeat(URL, FAIL_URL, every=30, stale_after=3600, timeout=5)),
        ("{url: http://kuma/x?up, fail_url: 'http://kuma/x?down={reason}', method: GET, allow_http: true, proxy: off}",
         Heartbeat(PUSH, DOWN, method="GET", allow_http=True, proxy=False)),
        ("{url: https://hc-ping.com/1-2, headers: {Authorization: Bearer x}}",
         Heartbeat(URL, FAIL_URL, headers={"Authorization": SecretStr("Bearer x")})),
    ],
)  # fmt: skip
def test_where_and_how_a_heartbeat_is_sent(written: str, heartbeat: Heartbeat, read: Callable[..., Config]) -> None:
    assert read(f"heartbeat: {written}\nstacks: [{{name: s}}]").heartbeat == heartbeat


def test_without_a_heartbeat_none_is_sent(read: Callable[..., Config]) -> None:
    assert read("stacks: [{name: s}]").heartbeat is None
