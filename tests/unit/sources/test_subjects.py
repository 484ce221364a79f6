"""Which subjects a person means by a pattern."""

from __future__ import annotations

import pytest

from watcher.core.model import EndpointKey, Target
from watcher.sources.codeconnections import REPOSITORY, stack
from watcher.sources.proton import template
from watcher.sources.subjects import matches_one_id, parse_subject, subject_matches

NETWORK = stack("prod", "eu-west-1", "network").id
WEB = template("prod", "eu-west-1", "SERVICE", "web", "2").id
PROTON = str(EndpointKey("prod", "eu-west-1", "proton"))


@pytest.mark.parametrize(
    ("subject", "pattern", "meant"),
    [
        (NETWORK, NETWORK, True),
        (NETWORK, "network", True),
        (NETWORK, "net*", True),
        (NETWORK, "*/stack/*", True),
        (NETWORK, "*", True),
        (NETWORK, "netwrk", False),
        (NETWORK, "Network", False),
        (NETWORK, "stack", False),
        (NETWORK, "prod", False),
        (NETWORK, "stack/network", False),
        (WEB, "web", True),
        (WEB, "SERVICE", False),
        (WEB, "2", False),
        (stack("prod", "eu-west-1", "a/b").id, "a?b", True),
        (PROTON, PROTON, True),
        (PROTON, "*proton", True),
        (PROTON, "proton", False),
        ("test/ops", "test/*", True),
        ("a/b/stack", "stack", False),
        ("a/b/stack/", "", True),
        ("a/b/template/SERVICE", "SERVICE", False),
    ],
)
def test_a_pattern_means_a_subject_by_its_id_or_by_the_targets_name(subject: str, pattern: str, *, meant: bool) -> None:
    assert subject_matches(subject, pattern) is meant


@pytest.mark.parametrize(("pattern", "one"), [(NETWORK, True), ("network", False), ("prod/*", False), ("a/[b]", False)])
def test_only_a_whole_id_without_a_glob_means_one_subject(pattern: str, *, one: bool) -> None:
    assert matches_one_id(pattern) is one


@pytest.mark.parametrize(
    "target",
    [
        stack("prod", "eu-west-1", "a/b c", labels={"team": "platform"}),
        template("prod", "eu-west-1", "SERVICE", "web", "2", labels={"team": "platform"}),
        REPOSITORY.target("prod", "eu-west-1", {"link": "l", "branch": "feature/x"}, labels={"team": "platform"}),
    ],
    ids=lambda target: target.kind.name,
)
def test_a_subject_is_parsed_as_the_target_that_it_names(target: Target) -> None:
    found = parse_subject(target.id, {"team": "platform"})
    assert isinstance(found, Target)
    assert (found, found.id) == (target, target.id)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (PROTON, EndpointKey("prod", "eu-west-1", "proton")),
        (str(EndpointKey("a/b", "eu-west-1", "proton")), EndpointKey("a/b", "eu-west-1", "proton")),
        ("prod/eu-west-1/pipeline/x", None),
        ("prod/eu-west-1/stack/a/b", None),
        ("prod/eu-west-1/stack", EndpointKey("prod", "eu-west-1", "stack")),
        ("test/ops", None),
    ],
)
def test_a_subject_that_names_no_target_is_an_endpoint_or_nothing(subject: str, expected: EndpointKey | None) -> None:
    assert parse_subject(subject, {}) == expected
