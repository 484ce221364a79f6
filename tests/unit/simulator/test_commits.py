"""The timelines that follow from the commits to a repository."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.timelines import advance
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED
from watcher.simulator.commits import Commit, repository_and_stacks, repository_timeline, stack_timeline
from watcher.simulator.inventory import Repository
from watcher.simulator.subject import Subject, SyncSettings
from watcher.simulator.timeline import State, Timeline, initial_state, next_change
from watcher.sources.codeconnections import REPOSITORY, STACK

EPOCH = 1_795_420_800.0
A, B, C = (Subject(STACK, (("name", name),), repository="org/shop") for name in "abc")
REPO = Subject(REPOSITORY, (("link", "l"), ("branch", "main")))
COMMITS = (Commit(10, ("a", "b"), failed=("b",), takes=20), Commit(100, ("a",), takes=20))


def at(subject: Subject, timeline: Timeline, moment: float) -> State:
    return advance(subject, timeline, EPOCH, initial_state(subject, timeline, EPOCH, 0.0), moment)


def shown(subject: Subject, timeline: Timeline, moment: float) -> tuple[str, float]:
    """The status, and when the attempt began."""
    latest = at(subject, timeline, moment).snapshot.latest
    assert latest
    return latest.status, round(latest.started_at.timestamp() - EPOCH, 3)


@pytest.mark.parametrize(
    ("stack", "moment", "status", "started"),
    [
        (A, 0, SUCCEEDED, 0),
        (A, 11.9, SUCCEEDED, 0),
        (A, 12, INITIATED, 12),
        (A, 14, IN_PROGRESS, 12),
        (A, 31.9, IN_PROGRESS, 12),
        (A, 32, SUCCEEDED, 12),
        (A, 102, INITIATED, 102),
        (A, 1000, SUCCEEDED, 102),
        (B, 12.4, SUCCEEDED, 0),
        (B, 12.5, INITIATED, 12.5),
        (B, 32.5, FAILED, 12.5),
        (B, 1000, FAILED, 12.5),
        (C, 1000, SUCCEEDED, 0),
    ],
)
def test_a_commit_starts_the_syncs_of_its_stacks(stack: Subject, moment: float, status: str, started: float) -> None:
    assert shown(stack, stack_timeline(stack, COMMITS), moment) == (status, started)


@pytest.mark.parametrize(
    ("moment", "status", "started"),
    [
        (9.9, SUCCEEDED, 0),
        (10, QUEUED, 10),
        (10.5, INITIATED, 10),
        (11, IN_PROGRESS, 10),
        (12.4, IN_PROGRESS, 10),
        (12.5, SUCCEEDED, 10),
        (99.9, SUCCEEDED, 10),
        (100, QUEUED, 100),
    ],
)
def test_the_repository_is_synced_until_the_stacks_have_started(moment: float, status: str, started: float) -> None:
    assert shown(REPO, repository_timeline(COMMITS), moment) == (status, started)


def test_a_repository_that_cannot_be_read_starts_no_stack() -> None:
    commits = (Commit(10, ("a",), readable=False),)
    assert shown(REPO, repository_timeline(commits), 60) == (FAILED, 10)
    assert shown(A, stack_timeline(A, commits), 60) == (SUCCEEDED, 0)


def test_a_repositorys_attempt_has_neither_a_target_nor_revisions() -> None:
    snapshot = at(REPO, repository_timeline(COMMITS), 60).snapshot
    assert snapshot.latest
    assert (snapshot.latest.target, snapshot.latest.target_revision, snapshot.latest.initial_revision) == (None,) * 3
    assert (snapshot.desired_state, snapshot.latest_successful) == (None, None)


def test_the_stacks_of_one_commit_have_its_sha() -> None:
    def sha(stack: Subject, moment: float, every: float | None = None) -> str:
        latest = at(stack, stack_timeline(stack, COMMITS, every), moment).snapshot.latest
        assert latest
        return latest.sha

    assert sha(A, 50) == sha(B, 50)
    assert sha(A, 50) != sha(A, 150)
    assert sha(A, 250, every=200) == sha(B, 250, every=200) != sha(A, 50)
    named = (Commit(1, ("a",), commit="c0ffee"),)
    latest = at(A, stack_timeline(A, named), 10).snapshot.latest
    assert latest
    assert latest.sha == "c0ffee"


def test_commits_come_again() -> None:
    timeline = stack_timeline(B, COMMITS, every=200)
    seen = [shown(B, timeline, moment) for moment in (0, 12.5, 32.5, 200, 212.5, 232.5, 412.5)]
    assert seen == [
        (FAILED, 0),
        (INITIATED, 12.5),
        (FAILED, 12.5),
        (FAILED, 12.5),
        (INITIATED, 212.5),
        (FAILED, 212.5),
        (INITIATED, 412.5),
    ]


def test_a_sync_waits_for_the_one_before_it() -> None:
    commits = (Commit(10, ("a",), takes=100), Commit(20, ("a",), takes=10))
    timeline = stack_timeline(A, commits)
    assert shown(A, timeline, 111.9) == (IN_PROGRESS, 12)
    assert shown(A, timeline, 112.1)[1] == pytest.approx(112.001, abs=0.002)
    assert shown(A, timeline, 122.1)[0] == SUCCEEDED


def test_commits_that_take_longer_than_their_round_are_refused() -> None:
    with pytest.raises(ValueError, match="longer than the time"):
        stack_timeline(A, COMMITS, every=110)


@pytest.mark.parametrize(
    ("moved", "every", "moment", "started"),
    [(50, None, 1000, 12), (101, None, 1000, 102), (50, 200, 1000, 12), (220, 200, 1000, 212), (9, 200, 1000, 0)],
)
def test_commits_start_no_sync_of_a_stack_that_has_moved(
    moved: float, every: float | None, moment: float, started: float
) -> None:
    stack = replace(A, settings=SyncSettings(moves=((moved, "release"),)))
    assert shown(stack, stack_timeline(stack, COMMITS, every), moment) == (SUCCEEDED, started)


def test_a_repository_comes_with_its_stacks() -> None:
    repository = Repository("org/shop", account="111111111111", region="us-east-1")
    (branch, _), *stacks = repository_and_stacks(repository, "live", (A, B), COMMITS)
    assert branch.key == f"repository/codeconnections/{repository.link_id}/live"
    assert (branch.account, branch.region) == ("111111111111", "us-east-1")
    assert [subject for subject, _ in stacks] == [A, B]


@pytest.mark.parametrize(
    ("stack", "moment", "following"),
    [(A, 0, 12), (A, 13, 14), (A, 50, 102), (A, 200, None), (C, 0, None)],
)
def test_the_next_change_is_known(stack: Subject, moment: float, following: float | None) -> None:
    timeline = stack_timeline(stack, COMMITS)
    assert next_change(timeline, at(stack, timeline, moment)) == following


def test_the_next_change_of_a_row_that_repeats_is_its_beginning() -> None:
    timeline = stack_timeline(A, COMMITS, every=200)
    assert next_change(timeline, at(A, timeline, 150)) == pytest.approx(200)
