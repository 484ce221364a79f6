"""The load of each endpoint of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config


def test_each_account_region_and_api_is_reported_for_itself(read: Callable[..., Config]) -> None:
    config = read("""
rate_limit: {requests_per_second: 2.5}
accounts:
  - {name: a, regions: [us-east-1, eu-west-1], rate_limit: {requests_per_second: 0.1}}
  - {name: b, regions: [us-east-1]}
templates: [{name: t, type: SERVICE, version: 1, account: b, interval: 10s}]
stacks:
  - {name: one, account: a, interval: 5s}
  - {name: two, account: a, region: eu-west-1, interval: 20s}
""")
    report = [(str(load.endpoint), load.targets, load.asked, load.allowed, load.kept_interval) for load in config.loads]
    assert report == [
        ("a/eu-west-1/codeconnections", 2, 0.25, 0.1, 20.0),
        ("a/us-east-1/codeconnections", 1, 0.2, 0.1, 10.0),
        ("b/us-east-1/proton", 1, 0.1, 2.0, None),
    ]
