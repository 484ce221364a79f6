"""What follows from a configuration: its endpoints, listings, loads, calls at a time, and subjects of its events."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from watcher.core.digest import Digest
from watcher.core.listings import ListingKey
from watcher.core.model import EndpointKey, Target
from watcher.core.settings import Account, Config, DiscoverRule, HintQueue, Http, ListingPlan, RateLimit, Retry
from watcher.sources.codeconnections import CONNECTION, STACK, connection, stack
from watcher.sources.proton import SERVICE_INSTANCE, template

PROD = Account("prod", ("us-east-1",), rate_limit=RateLimit(2.5, 3))
LINKS, PROTON, WEST = (EndpointKey("prod", *each) for each in (
    ("us-east-1", "codeconnections"), ("us-east-1", "proton"), ("eu-west-1", "codeconnections"),
))  # fmt: skip
NETWORK, SHOP = stack("prod", "us-east-1", "network", interval=10.0), stack("prod", "us-east-1", "shop")
WEB = template("prod", "us-east-1", "SERVICE", "web", "2", interval=20.0)
GITHUB = connection("prod", "eu-west-1", "arn:aws:codeconnections:eu-west-1:1:connection/7")
PLACE = ("prod", "us-east-1")


def config(*targets: Target, **more: object) -> Config:
    made = Config("here", {"prod": PROD}, targets, Retry(), 3, (), "memory://", None, 1.0, 1.0)
    return replace(made, **more)  # type: ignore[arg-type]


def test_targets_are_grouped_by_their_endpoint_and_found_by_their_id() -> None:
    made = config(NETWORK, WEB, SHOP, GITHUB)
    assert made.endpoints == {LINKS: (NETWORK, SHOP), PROTON: (WEB,), WEST: (GITHUB,)}
    assert made.polled == {LINKS: (NETWORK, SHOP), PROTON: (WEB,)}
    assert made.targets_by_id == {each.id: each for each in (NETWORK, WEB, SHOP, GITHUB)}


def test_the_loads_are_those_of_the_polled_endpoints_in_order_of_their_names() -> None:
    instance = SERVICE_INSTANCE.target(*PLACE, {"service": "shop", "name": "shop-prod"}, interval=20.0)
    loads = config(instance, NETWORK, GITHUB).loads
    assert [(load.endpoint, load.targets, load.asked, load.allowed) for load in loads] == [
        (LINKS, 1, 0.1, 2.0),
        (PROTON, 1, 0.05, 2.0),
    ]


def test_a_listing_is_made_as_often_as_any_of_its_rules_wants() -> None:
    rules = (
        DiscoverRule((STACK,), (PLACE, ("prod", "eu-west-1")), every=60.0),
        DiscoverRule((STACK, SERVICE_INSTANCE), (PLACE,), every=90.0, watching={"timeout": 5}),
        DiscoverRule((replace(CONNECTION, listing=None),), (PLACE,)),
    )
    assert STACK.listing is not None
    assert SERVICE_INSTANCE.listing is not None
    listings = config(discover=rules).listings
    assert listings == {
        ListingKey(*PLACE, "stack"): ListingPlan(STACK, STACK.listing, 60.0, 5.0),
        ListingKey("prod", "eu-west-1", "stack"): ListingPlan(STACK, STACK.listing, 60.0, 10.0),
        ListingKey(*PLACE, "service-instance"): ListingPlan(SERVICE_INSTANCE, SERVICE_INSTANCE.listing, 90.0, 5.0),
    }
    assert [plan.endpoint(key) for key, plan in listings.items()] == [LINKS, WEST, PROTON]


def test_the_calls_at_a_time_are_those_of_each_endpoint_that_is_polled_or_listed_and_of_each_queue() -> None:
    rule, queue = DiscoverRule((STACK,), (PLACE, ("prod", "eu-west-1"))), HintQueue("https://sqs/q", PROD, "us-east-1")
    assert config().max_calls == 0
    assert config(NETWORK, SHOP, WEB).max_calls == 2 * 3
    assert config(NETWORK, discover=(rule,), hints=(queue, queue)).max_calls == 2 * 3 + 2 * 11


def test_the_subjects_are_each_target_each_endpoint_that_is_polled_or_listed_and_digests() -> None:
    rule = DiscoverRule((STACK,), (("prod", "eu-west-1"),))
    known = {NETWORK.id, WEB.id, str(LINKS), str(PROTON)}
    assert config(NETWORK, WEB).subjects == known
    made = config(NETWORK, WEB, discover=(rule,), digest=Digest(("ops",), time(8)))
    assert made.subjects == known | {str(WEST), "digest"}


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")])
def test_the_url_of_the_page_has_an_ipv6_address_in_brackets(host: str, url: str) -> None:
    assert Http(host, 80).url == url


def test_the_public_url_is_known_only_if_the_page_is_served() -> None:
    assert config().public_url is None
    assert config(http=Http("127.0.0.1", 80, public_url="https://example.com")).public_url == "https://example.com"
