"""What a right configuration means: defaults, overrides, accounts, regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from watcher.core.model import FirstSeen, Repository
from watcher.core.settings import RateLimit, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.sources import KINDS
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config
    from watcher.errors import Fault

EXAMPLE = Path(__file__).parents[3] / "config" / "watcher.yaml"


def test_a_single_stack_is_a_whole_configuration(read: Callable[..., Config]) -> None:
    config = read("stacks: [{name: network}]")
    (target,) = config.targets
    assert target.id == "default/us-east-1/stack/network"
    assert (target.interval, target.active_interval, target.stalled_after, target.timeout) == (60, 10, 1800, 10)
    assert (target.on_first_seen, target.labels) == (FirstSeen.FAILED, {})
    assert config.accounts["default"].rate_limit == RateLimit(5, 10)
    assert config.accounts["default"].regions == ("us-east-1",)
    assert config.retry == Retry(4, 0.5, 20)
    (sink,) = config.sinks
    assert (sink.name, sink.type) == ("stdout", "stdout")
    assert (config.unreadable_after, config.state) == (3, "sqlite:///watcher.db")
    assert (config.state_retention, config.shutdown_grace) == (30 * 86_400, 20)
    assert config.http is not None
    assert (config.http.host, config.http.port, config.http.token, config.http.insecure) == (
        "127.0.0.1", 8080, None, False,
    )  # fmt: skip
    assert config.place == "watcher.yaml"


def test_the_defaults_of_the_settings_are_those_of_the_configuration(read: Callable[..., Config]) -> None:
    config = read("stacks: [{name: network}]")
    (target,), (sink,) = config.targets, config.sinks
    assert target == stack("default", "us-east-1", "network")
    assert (config.accounts["default"].rate_limit, config.retry) == (RateLimit(), Retry())
    assert sink == SinkSettings("stdout", "stdout", options=sink.options)


def test_the_example_is_right_as_it_is(read: Callable[..., Config]) -> None:
    config = read(EXAMPLE.read_bytes())
    assert {target.kind for target in config.targets} == {kind for kind in KINDS.values() if kind.section}


LINK = "6053346f-8a33-4edb-9397-10394b695173"


def test_each_kind_of_one_list_is_chosen_by_its_keys(read: Callable[..., Config]) -> None:
    config = read(f"""
service_instances: [{{service: shop, name: shop-prod}}]
repositories:
  - {{link: {LINK}, branch: release/1}}
  - {{provider: BITBUCKET, name: org/x, branch: main, sync_type: SERVICE_SYNC, interval: 5m}}
""")
    assert [target.id for target in config.targets] == [
        "default/us-east-1/service-instance/shop/shop-prod",
        f"default/us-east-1/repository/codeconnections/{LINK}/release%2F1",
        "default/us-east-1/repository/proton/BITBUCKET/org%2Fx/main/SERVICE_SYNC",
    ]
    assert [target.api for target in config.targets] == ["proton", "codeconnections", "proton"]
    assert config.targets[2].interval == 300


def test_a_stack_may_say_what_it_is_synced_from_which_is_no_part_of_its_identity(read: Callable[..., Config]) -> None:
    config = read(f"stacks: [{{name: a}}, {{name: b, link: {LINK}, branch: main}}, {{name: c, link: , branch: }}]")
    assert [target.repository for target in config.targets] == [None, Repository(LINK, "main"), None]
    assert config.targets[1].id == stack("default", "us-east-1", "b").id


def test_a_target_overrides_each_default_and_adds_to_the_labels(read: Callable[..., Config]) -> None:
    config = read("""
defaults: {interval: 2m, active_interval: 20s, stalled_after: 1h, timeout: 5s, on_first_seen: all, labels: {a: x, b: x}}
stacks:
  - {name: plain}
  - name: own
    interval: 1s
    active_interval: 100ms
    stalled_after: 2s
    timeout: 3s
    on_first_seen: none
    labels: {b: y}
""")
    plain, own = config.targets
    assert (plain.interval, plain.active_interval, plain.stalled_after, plain.timeout) == (120, 20, 3600, 5)
    assert (plain.on_first_seen, plain.labels) == (FirstSeen.ALL, {"a": "x", "b": "x"})
    assert (own.interval, own.active_interval, own.stalled_after, own.timeout) == (1, 0.1, 2, 3)
    assert (own.on_first_seen, own.labels) == (FirstSeen.NONE, {"a": "x", "b": "y"})


def test_a_target_is_watched_in_each_region_of_its_account_unless_it_names_one(read: Callable[..., Config]) -> None:
    config = read("""
accounts: [{name: the one, regions: [us-east-1, eu-west-1]}]
templates: [{name: t, type: ENVIRONMENT, version: "2"}]
stacks: [{name: s, region: ap-south-1}]
""")
    assert [target.id for target in config.targets] == [
        "the%20one/us-east-1/template/ENVIRONMENT/t/2",
        "the%20one/eu-west-1/template/ENVIRONMENT/t/2",
        "the%20one/ap-south-1/stack/s",
    ]


def test_of_several_accounts_the_one_named_default_is_for_targets_without(read: Callable[..., Config]) -> None:
    config = read("accounts: [{name: a}, {name: default}]\nstacks: [{name: s}, {name: s, account: a}]")
    assert [target.account for target in config.targets] == ["default", "a"]


def test_an_accounts_rate_limit_overrides_key_by_key(read: Callable[..., Config]) -> None:
    config = read("""
rate_limit: {requests_per_second: 7, concurrency: 3}
accounts:
  - {name: a, rate_limit: {requests_per_second: 0.2}}
  - {name: b, rate_limit: {concurrency: 1}, profile: null, endpoint_url: "http://127.0.0.1:4566"}
stacks: [{name: s, account: a}]
""")
    assert config.accounts["a"].rate_limit == RateLimit(0.2, 3)
    assert config.accounts["b"].rate_limit == RateLimit(7, 1)
    assert (config.accounts["b"].profile, config.accounts["b"].endpoint_url) == (None, "http://127.0.0.1:4566")


@pytest.mark.parametrize(
    ("account", "environ", "profiles", "region"),
    [
        ("{name: a, regions: [eu-west-1]}", {"AWS_REGION": "us-east-1"}, {}, "eu-west-1"),
        ("{name: a}", {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"}, {"default": "x"}, "us-east-1"),
        ("{name: a}", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}, {"default": "x"}, "us-east-2"),
        ("{name: a}", {}, {"default": "us-west-1", "p": "us-west-2"}, "us-west-1"),
        ("{name: a, profile: p}", {}, {"default": "us-west-1", "p": "us-west-2"}, "us-west-2"),
        ("{name: a, profile: p}", {"AWS_REGION": "us-east-1"}, {"p": "us-west-2"}, "us-east-1"),
    ],
)
def test_where_a_region_comes_from(
    account: str, environ: dict[str, str], profiles: dict[str, str], region: str, read: Callable[..., Config]
) -> None:
    config = read(f"accounts: [{account}]\nstacks: [{{name: s}}]", environ, **profiles)
    assert [target.region for target in config.targets] == [region]


def test_without_any_region_the_fault_says_where_to_write_one(faults: Callable[..., list[Fault]]) -> None:
    ambient = faults("stacks: [{name: one}, {name: two}]", {})
    assert list(map(str, ambient)) == [
        "watcher.yaml:1:10: stacks[0]: no region is known; add `region` to each target, or set AWS_REGION"
    ]
    listed = faults("accounts: [{name: a}]\nstacks: [{name: one}, {name: two}]", {})
    assert list(map(str, listed)) == [
        "watcher.yaml:1:12: accounts[0]: no region is known; add `regions` to the account, or set AWS_REGION"
    ]


def test_no_region_is_asked_for_when_no_target_needs_one(read: Callable[..., Config]) -> None:
    config = read("accounts: [{name: a}, {name: b}]\nstacks: [{name: s, account: a, region: us-east-1}]", {})
    assert config.accounts["a"].regions == ()


@pytest.mark.parametrize(
    ("http", "host", "port"),
    [
        ("{listen: localhost:80}", "localhost", 80),
        ("{listen: 127.9.9.9:1}", "127.9.9.9", 1),
        ('{listen: "[::1]:8080"}', "::1", 8080),
        ('{listen: "[::]:8080", insecure: true}', "::", 8080),
        ("{listen: watcher.example.com:443, token: open-sesame}", "watcher.example.com", 443),
        ("{}", "127.0.0.1", 8080),
        ("~", "127.0.0.1", 8080),
    ],
)
def test_where_http_listens(http: str, host: str, port: int, read: Callable[..., Config]) -> None:
    config = read(f"http: {http}\nstacks: [{{name: s}}]")
    assert config.http is not None
    assert (config.http.host, config.http.port) == (host, port)


@pytest.mark.parametrize("off", ["off", "false", "no", '"off"'])
def test_http_may_be_off(off: str, read: Callable[..., Config]) -> None:
    assert read(f"http: {off}\nstacks: [{{name: s}}]").http is None


@pytest.mark.parametrize(
    "listen", [":80", "host", "host:", "host:65536", "host:-1", "::1:80", "[x]:80", "a b:80", "1.2.3.4:80/x", "[]:1"]
)
def test_a_text_that_is_not_an_address_is_refused(listen: str, faults: Callable[..., list[Fault]]) -> None:
    (fault,) = faults(f'http: {{listen: "{listen}"}}\nstacks: [{{name: s}}]')
    assert fault.path == "http.listen"


@pytest.mark.parametrize("state", ["sqlite:///watcher.db", "sqlite:////var/lib/w.db", "memory://"])
def test_where_state_may_be_kept(state: str, read: Callable[..., Config]) -> None:
    assert read(f"state: {state}\nstacks: [{{name: s}}]").state == state


def test_the_state_is_kept_where_the_file_says_else_where_the_environment_does(
    read: Callable[..., Config], faults: Callable[..., list[Fault]]
) -> None:
    stacks, named = "stacks: [{name: s}]", {"AWS_REGION": "us-east-1", "WATCHER_STATE": "dynamodb://table"}
    assert read(stacks, named).state == "dynamodb://table"
    assert read(f"{stacks}\nstate:", named).state == "dynamodb://table"
    assert read(f"{stacks}\nstate: memory://", named).state == "memory://"
    assert read(stacks, {**named, "WATCHER_STATE": ""}).state == "sqlite:///watcher.db"
    (fault,) = faults(stacks, {**named, "WATCHER_STATE": "watcher.db"})
    assert str(fault).startswith("watcher.yaml:1:1: WATCHER_STATE: this must be sqlite:///PATH")


@pytest.mark.parametrize("state", ["watcher.db", "sqlite://watcher.db", "sqlite:///", "sqlite:///dir/", "memory", '""'])
def test_where_state_cannot_be_kept(state: str, faults: Callable[..., list[Fault]]) -> None:
    (fault,) = faults(f"state: {state}\nstacks: [{{name: s}}]")
    assert fault.path == "state"


def test_keys_without_a_value_are_as_if_absent(read: Callable[..., Config]) -> None:
    config = read("stacks:\n  - name: s\n    labels:\n    region: null\naccounts:\ntemplates:\ndiscover:\nhttp: ~\n")
    assert [target.id for target in config.targets] == ["default/us-east-1/stack/s"]


def test_an_unused_anchor_is_accepted(read: Callable[..., Config]) -> None:
    assert len(read("stacks: &all\n  - &one {name: s}\n").targets) == 1


def test_two_thousand_targets_are_two_thousand_targets(read: Callable[..., Config]) -> None:
    config = read(
        "stacks:\n" + "".join(f"  - {{name: s{i}, interval: 30s, labels: {{n: s{i}}}}}\n" for i in range(2000))
    )
    assert len({target.id for target in config.targets}) == 2000
