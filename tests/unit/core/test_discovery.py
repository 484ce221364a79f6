"""What a listing changes, and which of the found targets the rules select: tables of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.discovery import (
    MISSES,
    Selection,
    Site,
    compare,
    discovered,
    event_number,
    is_present,
    name_of,
    owed_events,
    select,
    selections,
    settled,
    sites,
    with_discovered,
)
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.model import Repository
from watcher.core.settings import DiscoverRule
from watcher.sources.codeconnections import CONNECTION, REPOSITORY, STACK
from watcher.sources.proton import REPOSITORY as PROTON_REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.core.kinds import Kind
    from watcher.core.settings import Config

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = 86400.0
KEY = ListingKey("default", "us-east-1", "stack")
SITE = Site(*KEY)
LINK = "6053346f-8a33-4edb-9397-10394b695173"


def found(name: str, **facts: Any) -> FoundTarget:
    return FoundTarget((("name", name),), facts)


def names(targets: Iterable[FoundTarget]) -> str:
    return "".join(dict(each.identity)["name"] for each in targets)


def following(before: Listing | None, *targets: FoundTarget, now: datetime = NOW, reported: int = 0) -> Listing:
    return compare(before, KEY, targets, now, DAY, dict.fromkeys(targets, reported).__getitem__)


def series(*listings: str) -> list[Listing]:
    """The listings that follow each other; each has the names of its targets, and is a minute later."""
    made: list[Listing] = []
    for at, listed in enumerate(listings):
        before = made[-1] if made else None
        made.append(following(before, *map(found, listed), now=NOW + timedelta(minutes=at)))
    return made


@pytest.mark.parametrize(
    ("listings", "appeared", "removed"),
    [
        (["ab"], "", ""),
        (["ab", "ab"], "", ""),
        (["", "a"], "a", ""),
        (["ab", "abc"], "c", ""),
        (["ab", "a"], "", ""),
        (["ab", "a", "a"], "", ""),
        (["ab", "a", "a", "a"], "", "b"),
        (["ab", "a", "a", "a", "a"], "", ""),
        (["ab", "a", "a", "ab", "a", "a"], "", ""),
        (["ab", "a", "ab", "a", "a", "a"], "", "b"),
        (["ab", "a", "a", "a", "ab"], "b", ""),
        (["ab", "", "", ""], "", "ab"),
    ],
)
def test_the_last_listing_of_a_series_changes_what_its_case_says(
    listings: list[str], appeared: str, removed: str
) -> None:
    owed = [each for each in series(*listings)[-1].targets if each.owed]
    assert names(each for each in owed if is_present(each)) == appeared
    assert names(each for each in owed if not is_present(each)) == removed


def test_a_listing_says_what_it_is_of_when_it_was_complete_and_which_one_it_follows() -> None:
    first, second = series("a", "a")
    assert (first.key, first.completed_at, first.follows) == (KEY, NOW, None)
    assert (second.key, second.completed_at, second.follows) == (KEY, NOW + timedelta(minutes=1), NOW)


def test_each_time_that_a_target_is_found_again_counts() -> None:
    gone = [""] * MISSES
    owed = [each for listing in series("a", *gone, "a", *gone, "a") for each in listing.targets if each.owed]
    assert [each.times for each in owed] == [1, 2, 2, 3]
    assert [event_number(each) for each in owed] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("first", "reported", "number"),
    [
        (True, 0, 1),
        (True, 1, 1),
        (True, 2, 3),
        (False, 0, 1),
        (False, 1, 3),
        (False, 2, 3),
    ],
)
def test_what_a_listing_does_not_know_any_more_continues_with_the_reported_events(
    *, first: bool, reported: int, number: int
) -> None:
    (again,) = following(None if first else Listing(KEY, NOW), found("a"), reported=reported).targets
    assert (event_number(again), again.owed) == (number, not first)


def test_a_removed_target_is_remembered_for_the_retention() -> None:
    gone = settled(series("a", *[""] * MISSES)[-1])
    (remembered,) = gone.targets
    assert remembered.missing == MISSES
    since = NOW + timedelta(minutes=1)
    assert remembered.missing_since == since
    assert following(gone, now=since + timedelta(seconds=DAY)).targets == gone.targets
    assert following(gone, now=since + timedelta(seconds=DAY + 1)).targets == ()


def test_what_aws_says_of_a_target_is_that_of_the_last_listing_that_shows_it() -> None:
    first = following(None, found("a", branch="main"))
    moved = following(first, found("a", branch="release"))
    missed = following(moved)
    assert [each.facts for listing in (moved, missed) for each in listing.targets] == [{"branch": "release"}] * 2


def test_a_target_that_a_listing_shows_twice_is_one() -> None:
    assert names(following(None, found("a"), found("a")).targets) == "a"


@cache
def listed() -> Config:
    document = Document("test", b"stacks: [{name: listed, interval: 5m}]")
    return parse(document, {"AWS_REGION": "us-east-1"}, lambda _: None)


def config(**more: Any) -> Config:
    return replace(listed(), **more)


def rule(*kinds: Any, **more: Any) -> DiscoverRule:
    return DiscoverRule(kinds or (STACK,), (("default", "us-east-1"),), **more)


def test_an_endpoint_that_is_only_listed_counts_in_the_most_calls_at_a_time() -> None:
    assert config(targets=()).max_calls == 0
    assert config(targets=(), discover=(rule(),)).max_calls == config().max_calls == 10
    assert config(discover=(rule(),)).max_calls == 10


def selected(targets: Iterable[FoundTarget], *rules: DiscoverRule, listed: Iterable[str] = ()) -> Selection:
    listing = Listing(KEY, NOW, tuple(targets))
    return select(config(discover=rules), SITE, {KEY: listing}, {*listed})


SHOP = [
    found("prod-shop", repository="org/shop", branch="main"),
    found("prod-shop-sandbox", repository="org/shop", branch="main"),
    found("prod-net", repository="org/infra", branch="release"),
    found("dev-net", repository="other/infra", branch="dev"),
]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"prod-shop", "prod-shop-sandbox", "prod-net", "dev-net"}),
        ({"match": ("prod-*",)}, {"prod-shop", "prod-shop-sandbox", "prod-net"}),
        ({"match": ("dev-*", "*-shop")}, {"prod-shop", "dev-net"}),
        ({"match": ("prod",)}, set()),
        ({"exclude": ("*-sandbox", "dev-*")}, {"prod-shop", "prod-net"}),
        ({"match": ("prod-*",), "exclude": ("*-sandbox",)}, {"prod-shop", "prod-net"}),
        ({"repositories": ("org/*",)}, {"prod-shop", "prod-shop-sandbox", "prod-net"}),
        ({"branches": ("main", "dev")}, {"prod-shop", "prod-shop-sandbox", "dev-net"}),
        ({"repositories": ("org/*",), "branches": ("rel*",)}, {"prod-net"}),
        ({"limit": 2}, {"dev-net", "prod-net"}),
    ],
)
def test_a_rule_selects_by_name_repository_and_branch(more: dict[str, Any], expected: set[str]) -> None:
    assert {target.name for target in selected(SHOP, rule(**more)).targets} == expected


@pytest.mark.parametrize(
    ("more", "matches"),
    [
        ({"repositories": ("*",)}, True),
        ({"repositories": ("?*",)}, False),
        ({"branches": ("*",)}, True),
        ({"branches": ("?*",)}, False),
    ],
)
def test_a_rule_takes_what_is_not_known_of_a_target_as_empty(more: dict[str, Any], *, matches: bool) -> None:
    assert bool(selected([found("a")], rule(**more)).targets) is matches


def test_the_first_rule_that_matches_a_target_counts() -> None:
    first, second = (rule(match=globs, watching={"labels": {"rule": globs[0]}}) for globs in (("prod-*",), ("*net",)))
    by_rule = {target.name: target.labels["rule"] for target in selected(SHOP, first, second).targets}
    assert by_rule == {"prod-shop": "prod-*", "prod-shop-sandbox": "prod-*", "prod-net": "prod-*", "dev-net": "*net"}


def test_targets_beyond_a_limit_are_left_out_and_not_tried_with_later_rules() -> None:
    first, second = rule(match=("prod-*",), limit=1), rule()
    selection = selected(SHOP, first, second)
    assert {target.name for target in selection.targets} == {"prod-net", "dev-net"}
    assert selection.left_out == ((first, 2),)


def test_a_listed_target_is_not_selected_and_takes_no_place_in_a_limit() -> None:
    selection = selected(SHOP, rule(limit=3), listed=["default/us-east-1/stack/dev-net"])
    assert {target.name for target in selection.targets} == {"prod-net", "prod-shop", "prod-shop-sandbox"}
    assert selection.left_out == ()


@pytest.mark.parametrize(("missing", "watched"), [(0, True), (MISSES - 1, True), (MISSES, False)])
def test_a_missing_target_is_watched_until_it_is_removed(missing: int, *, watched: bool) -> None:
    assert bool(selected([replace(found("a"), missing=missing)], rule()).targets) is watched


def test_an_event_is_owed_of_what_the_rules_select_now_or_selected_before_the_listing() -> None:
    shown = [("stays", 0, False), ("new", 0, True), ("gone", MISSES, True), ("gone-before", MISSES, False)]
    targets = tuple(replace(found(name), missing=missing, owed=owed) for name, missing, owed in shown)
    listing = Listing(KEY, NOW, (*targets, *(replace(each, identity=(("name", "other"),)) for each in targets[1:2])))

    def owed(listing: Listing) -> list[str]:
        events = owed_events(config(discover=(rule(exclude=("other",)),)), KEY, {KEY: listing})
        assert all(target.identity == each.identity for target, each in events)
        return [target.name for target, _ in events]

    assert owed(listing) == ["new", "gone"]
    assert owed(settled(listing)) == []


def test_events_are_owed_of_what_a_limit_leaves_now_and_left_before_the_listing() -> None:
    gone, new = replace(found("a"), missing=MISSES, owed=True), replace(found("b"), owed=True)
    listings = {KEY: Listing(KEY, NOW, (gone, new))}
    assert [target.name for target, _ in owed_events(config(discover=(rule(limit=1),)), KEY, listings)] == ["b", "a"]


def test_an_event_is_owed_by_the_listing_of_its_own_kind_alone() -> None:
    kinds = (REPOSITORY, replace(REPOSITORY, variant="other"))
    keys = [ListingKey("default", "us-east-1", str(kind)) for kind in kinds]
    linked = FoundTarget((("link", LINK), ("branch", "main")), {"repository": "org/a"}, owed=True)
    listings = {key: Listing(key, NOW, (linked,)) for key in keys}
    made = config(discover=(rule(*kinds),))
    assert [[target.kind for target, _ in owed_events(made, key, listings)] for key in keys] == [
        [kind] for kind in kinds
    ]
    assert owed_events(made, keys[0], {}) == []


def test_rules_select_at_the_sites_that_are_asked_for_or_at_all() -> None:
    made = config(discover=(rule(), rule(REPOSITORY)))
    repositories = Site("default", "us-east-1", "repository")
    assert [*selections(made, {})] == [SITE, repositories]
    assert [*selections(made, {}, [repositories])] == [repositories]


@pytest.mark.parametrize(
    "other",
    [DiscoverRule((STACK,), (("default", "eu-west-1"),)), DiscoverRule((REPOSITORY,), (("default", "us-east-1"),))],
)
def test_a_rule_of_another_place_or_kind_selects_nothing(other: DiscoverRule) -> None:
    assert [target.name for target in selected(SHOP, other, rule(match=("dev*",))).targets] == ["dev-net"]


@pytest.mark.parametrize(
    ("kind", "identity", "facts", "name"),
    [
        (STACK, {"name": "a"}, {"repository": "org/b"}, "a"),
        (REPOSITORY, {"link": LINK, "branch": "main"}, {"repository": "org/b"}, "org/b"),
        (REPOSITORY, {"link": LINK, "branch": "main"}, {}, LINK),
        (CONNECTION, {"arn": "arn:c"}, {"name": "github"}, "github"),
    ],
)
def test_rules_know_a_target_by_its_name_else_by_its_repository_else_by_its_id(
    kind: Kind, identity: dict[str, str], facts: dict[str, str], name: str
) -> None:
    assert name_of(kind, FoundTarget(tuple(identity.items()), facts)) == name


def test_a_linked_repository_without_a_name_is_selected_by_its_link() -> None:
    key = ListingKey("default", "us-east-1", str(REPOSITORY))
    listing = Listing(key, NOW, (FoundTarget((("link", LINK), ("branch", "main")), {}),))
    made = config(discover=(rule(REPOSITORY, match=(LINK,)),))
    site = Site("default", "us-east-1", "repository")
    assert len(select(made, site, {key: listing}, ()).targets) == 1


def test_a_selected_stack_knows_its_repository_and_how_it_was_found() -> None:
    facts = {"repository": "org/shop", "branch": "main", "config_file": "a.yaml", "connection": "arn:c"}
    watching = {"interval": 30.0, "labels": {"found": "true"}}
    (target,) = selected([found("a", **facts, link=LINK)], rule(watching=watching)).targets
    assert (target.repository, target.found) == (Repository(LINK, "main"), facts)
    assert (target.interval, target.labels) == (30, {"found": "true"})


def test_repositories_of_both_apis_are_selected_by_one_rule_under_their_names() -> None:
    keys = [ListingKey("default", "us-east-1", str(kind)) for kind in (REPOSITORY, PROTON_REPOSITORY)]
    linked = FoundTarget((("link", LINK), ("branch", "main")), {"repository": "org/b"})
    parts = {"provider": "GITHUB", "name": "org/a", "branch": "dev", "sync_type": "TEMPLATE_SYNC"}
    proton = FoundTarget(tuple(parts.items()), {"repository": "org/a"})
    listings = {key: Listing(key, NOW, (each,)) for key, each in zip(keys, (linked, proton), strict=True)}
    both = (REPOSITORY, PROTON_REPOSITORY)

    def ids(**more: Any) -> list[str]:
        made = config(discover=(rule(*both, **more),))
        ((site, of_site),) = sites(made).items()
        assert of_site == keys
        return [target.id.split("/", 3)[3] for target in select(made, site, listings, ()).targets]

    of_linked, of_proton = f"codeconnections/{LINK}/main", "proton/GITHUB/org%2Fa/dev/TEMPLATE_SYNC"
    assert ids() == [of_proton, of_linked]
    assert ids(limit=1) == [of_proton]
    assert ids(match=("*/b",)) == [of_linked]
    assert ids(branches=("dev",)) == [of_proton]


def test_of_several_branches_of_a_repository_a_limit_leaves_the_first_by_their_ids() -> None:
    key = ListingKey("default", "us-east-1", str(REPOSITORY))
    branches = [FoundTarget((("link", LINK), ("branch", name)), {"repository": "org/b"}) for name in ("main", "dev")]
    listings = {key: Listing(key, NOW, tuple(branches))}
    made = config(discover=(rule(REPOSITORY, limit=1),))
    (first,) = select(made, Site("default", "us-east-1", "repository"), listings, ()).targets
    assert dict(first.identity)["branch"] == "dev"


def test_a_listing_is_made_as_often_as_the_most_frequent_of_its_rules_wants() -> None:
    made = config(discover=(rule(every=600), rule(every=60, watching={"timeout": 3.0}), rule(every=300)))
    assert {key: plan.every for key, plan in made.listings.items()} == {KEY: 60}


def test_a_listed_target_has_the_repository_of_the_listing_unless_its_settings_name_one() -> None:
    named = Repository(LINK, "own")
    listed = [STACK.target("default", "us-east-1", {"name": name}, interval=5.0) for name in ("a", "b", "c")]
    made = config(
        discover=(rule(exclude=("c",)),), targets=(listed[0], replace(listed[1], repository=named), listed[2])
    )
    shown = [found(name, link=LINK, repository="org/shop", branch="main") for name in "abc"]
    watched = discovered(made, {KEY: Listing(KEY, NOW, tuple(shown))})
    a, b, c = watched.targets
    assert (a.repository, a.found) == (Repository(LINK, "main"), {"repository": "org/shop", "branch": "main"})
    assert (a.interval, a.discovered) == (5, False)
    assert (b.repository, b.found, c) == (named, None, listed[2])
    moved = discovered(watched, {KEY: Listing(KEY, NOW, (found("a", link=LINK, branch="dev"),))})
    assert moved.targets[0].repository == Repository(LINK, "dev")
    assert discovered(moved, {}).targets == made.targets


def test_discovered_targets_replace_earlier_ones_beside_those_that_are_listed() -> None:
    made = config(discover=(rule(),))
    once = with_discovered(made, [selected([found("a"), found("b")], rule())])
    again = with_discovered(once, [selected([found("b"), found("c")], rule())])
    assert [target.name for target in again.targets] == ["listed", "b", "c"]
