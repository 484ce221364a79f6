"""Which repositories stand for the stacks that are synced from them, and how these are polled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from watcher.core.model import Repository
from watcher.core.repositories import source_repositories
from watcher.sources.codeconnections import REPOSITORY, stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from watcher.core.model import Target

MAIN, DEV = Repository("6053346f", "main"), Repository("6053346f", "dev")
MAIN_ID, DEV_ID = (f"a/us-east-1/repository/codeconnections/6053346f/{branch}" for branch in ("main", "dev"))


def of(repository: Repository | None, names: str, **watching: Any) -> list[Target]:
    return [stack("a", "us-east-1", name, repository=repository, **watching) for name in names]


def listed(repository: Repository, **watching: Any) -> Target:
    identity = {"link": repository.link, "branch": repository.branch}
    return REPOSITORY.target("a", "us-east-1", identity, **watching)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param([], {}, id="no target"),
        pytest.param(of(MAIN, "a"), {}, id="one stack"),
        pytest.param(of(MAIN, "aa"), {}, id="one stack twice"),
        pytest.param(of(MAIN, "ab"), {MAIN_ID: "ab"}, id="two stacks"),
        pytest.param([*of(MAIN, "a"), *of(DEV, "b")], {}, id="one stack of each of two branches"),
        pytest.param([*of(MAIN, "ab"), *of(DEV, "cd")], {MAIN_ID: "ab", DEV_ID: "cd"}, id="two stacks of each"),
        pytest.param([*of(MAIN, "a"), *of(None, "bc")], {}, id="stacks whose repository is not known"),
        pytest.param(
            [template("a", "us-east-1", "SERVICE", name, "1", repository=MAIN) for name in "ab"],
            {},
            id="a kind that is not synced from a repository",
        ),
        pytest.param([listed(MAIN), *of(MAIN, "a")], {}, id="one stack of a repository that is a target as well"),
    ],
)
def test_a_repository_stands_for_two_or_more_stacks(targets: list[Target], expected: dict[str, str]) -> None:
    found = source_repositories(targets)
    assert {id_: "".join(stack.name for stack in source.stacks) for id_, source in found.items()} == expected
    assert [source.target.id for source in found.values()] == [*expected]


def test_a_repository_is_polled_with_the_settings_of_the_last_of_its_stacks() -> None:
    stacks = [*of(MAIN, "ab"), *of(MAIN, "c", repository_interval=7.0, active_interval=3.0, timeout=4.0)]
    assert source_repositories(stacks)[MAIN_ID].target == listed(MAIN, interval=7.0, active_interval=3.0, timeout=4.0)


@pytest.mark.parametrize(
    ("intervals", "own", "interval"),
    [((20.0, 30.0), None, 20.0), ((30.0, 20.0), None, 20.0), ((20.0, 30.0), 60.0, 20.0), ((20.0, 30.0), 5.0, 5.0)],
)
def test_a_repository_is_polled_as_often_as_itself_or_any_of_its_stacks_asks_for(
    intervals: tuple[float, float], own: float | None, interval: float
) -> None:
    stacks = [
        each
        for name, wanted in zip("ab", intervals, strict=True)
        for each in of(MAIN, name, repository_interval=wanted)
    ]
    itself = [] if own is None else [listed(MAIN, interval=own, labels={"team": "web"})]
    found = source_repositories([*itself, *stacks])[MAIN_ID].target
    assert found.interval == interval
    assert found.labels == ({} if own is None else {"team": "web"})
