"""What the rules of discovery in a configuration mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.core.listings import ListingKey
from watcher.core.model import FirstSeen
from watcher.sources.codeconnections import REPOSITORY, STACK
from watcher.sources.proton import REPOSITORY as PROTON_REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config
    from watcher.errors import Fault

ACCOUNTS = "accounts: [{name: prod, regions: [us-east-1, eu-west-1]}, {name: dev, regions: [us-west-2]}]\n"


def test_a_rule_is_a_whole_configuration(read: Callable[..., Config]) -> None:
    config = read("discover: [{kind: stack}]")
    (rule,) = config.discover
    assert (config.targets, rule.kinds, rule.places) == ((), (STACK,), (("default", "us-east-1"),))
    assert (rule.every, rule.limit, rule.place) == (600, 10_000, "discover[0]")
    assert (rule.match, rule.exclude, rule.repositories, rule.branches) == ((), (), (), ())
    assert [*config.listings] == [ListingKey("default", "us-east-1", "stack")]


def test_a_rule_selects_by_globs_which_may_be_one(read: Callable[..., Config]) -> None:
    config = read(
        'discover: [{kind: stack, every: 5m, limit: 20, match: "prod-*", exclude: [a, "b*"], repositories: "org/*", '
        "branches: [main]}]"
    )
    (rule,) = config.discover
    assert (rule.every, rule.limit) == (300, 20)
    assert (rule.match, rule.exclude, rule.repositories, rule.branches) == (
        ("prod-*",), ("a", "b*"), ("org/*",), ("main",),
    )  # fmt: skip


def test_a_rule_is_for_every_account_and_region_unless_it_names_some(read: Callable[..., Config]) -> None:
    config = read(
        f"{ACCOUNTS}discover: [{{kind: stack}}, {{kind: stack, account: prod}}, {{kind: stack, regions: sa-east-1}}, "
        "{kind: stack, account: dev, regions: [sa-east-1, us-west-2]}]"
    )
    prod = (("prod", "us-east-1"), ("prod", "eu-west-1"))
    assert [rule.places for rule in config.discover] == [
        (*prod, ("dev", "us-west-2")),
        prod,
        (("prod", "sa-east-1"), ("dev", "sa-east-1")),
        (("dev", "sa-east-1"), ("dev", "us-west-2")),
    ]


def test_a_rule_for_repositories_is_for_those_of_both_apis(read: Callable[..., Config]) -> None:
    (rule,) = read("discover: [{kind: repository}]").discover
    assert rule.kinds == (REPOSITORY, PROTON_REPOSITORY)


def test_found_targets_are_watched_by_the_defaults_and_have_the_labels_of_both(read: Callable[..., Config]) -> None:
    config = read(
        "defaults: {interval: 2m, timeout: 3s, on_first_seen: none, labels: {team: web, found: no-one}}\n"
        'discover: [{kind: stack, labels: {found: "true"}}]'.replace("no-one", '"false"')
    )
    (rule,) = config.discover
    assert (rule.watching["interval"], rule.timeout, rule.watching["on_first_seen"]) == (120, 3, FirstSeen.NONE)
    assert rule.watching["labels"] == {"team": "web", "found": "true"}


def test_a_region_must_be_known_for_a_rule(faults: Callable[..., list[Fault]]) -> None:
    (fault,) = faults("discover:\n  - {kind: stack}", {})
    assert str(fault) == (
        "watcher.yaml:2:5: discover[0]: no region is known; add `regions` to the rule, or set AWS_REGION"
    )


def test_labels_that_are_too_long_are_a_fault_of_the_rule(faults: Callable[..., list[Fault]]) -> None:
    (fault,) = faults(f"discover: [{{kind: stack, labels: {{a: {'x' * 5000}}}}}]")
    assert fault.path == "discover[0].labels"
