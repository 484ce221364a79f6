"""The generated organisation: how large it is, that a seed repeats it, and that it has every kind of trouble."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.support.simulated_world import World
from watcher.core.model import FAILED, SUCCEEDED
from watcher.simulator.inventory import Place
from watcher.simulator.organisation import REGIONS, account_number, organisation
from watcher.sources.codeconnections import REPOSITORY, STACK


def test_it_has_twelve_accounts_forty_repositories_and_a_thousand_stacks() -> None:
    made = organisation()
    kinds = Counter(subject.kind for subject, _ in made.timelines)
    assert kinds == {STACK: 1000, REPOSITORY: 40}
    assert {subject.account for subject, _ in made.timelines} == {account_number(each) for each in range(12)}
    assert {subject.region for subject, _ in made.timelines} == set(REGIONS)
    assert len({(subject.key, subject.account, subject.region) for subject, _ in made.timelines}) == 1040


def test_a_seed_makes_the_same_one() -> None:
    few = {"accounts": 2, "repositories": 4, "stacks": 10}
    assert organisation(3, **few) == organisation(3, **few)
    assert organisation(3, **few) != organisation(4, **few)


@pytest.mark.parametrize("stacks", [1, 41, 1000])
def test_other_sizes_are_exact(stacks: int) -> None:
    made = organisation(accounts=3, repositories=7, stacks=stacks)
    assert sum(subject.kind is STACK for subject, _ in made.timelines) == stacks
    assert len(made.repositories) == 7


def test_commits_start_syncs_of_which_some_fail() -> None:
    made = organisation()
    world = World(made)
    world.start()
    place = Place(account_number(0), REGIONS[0])
    inventory = world.inventory(place)
    latest = []
    for subject in inventory.of_kind(STACK, 0.0):
        target = world._target(place, subject.key)
        assert target
        latest.append(world._advance(target, 2000.0).latest)
    statuses = Counter(each.status for each in latest if each)
    assert statuses[SUCCEEDED] > statuses[FAILED] > 0


def test_it_has_every_kind_of_trouble() -> None:
    made = organisation()
    subjects = [subject for subject, _ in made.timelines]
    assert sum(bool(subject.blockers) for subject in subjects) >= 3
    assert any(subject.settings.moves for subject in subjects)
    assert any(subject.absent for subject in subjects if subject.kind is STACK)
    assert any(repository.absent for repository in made.repositories)
    assert any(("PENDING" in dict(each.statuses).values()) for each in made.connections)
    arns = {
        connection.arn(Place(str(connection.account), REGIONS[0]))
        for connection in made.connections
        if connection.name == "github"
    }
    assert len(arns) == 1, "all accounts share it"
    assert made.queues


def test_one_commit_starts_five_stacks_at_most() -> None:
    made = organisation(accounts=1, repositories=1, stacks=30)
    world = World(made)
    world.start()
    place = Place(account_number(0), REGIONS[0])
    starts = []
    for subject in world.inventory(place).of_kind(STACK, 0.0):
        target = world._target(place, subject.key)
        assert target
        if (attempt := world._advance(target, 590.0).latest) and attempt.started_at.timestamp() > world._epoch + 1:
            starts.append(attempt.started_at.timestamp() - world._epoch)
    rounds = 1 + sum(later - earlier > 2 for earlier, later in pairwise(sorted(starts)))
    assert 1 <= rounds <= len(starts) <= 5 * rounds
