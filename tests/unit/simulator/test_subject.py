"""A target of the simulated AWS: when it exists, where it is synced from, and what blocks it."""

from __future__ import annotations

import pytest

from tests.support.timelines import advance
from watcher.core.model import SUCCEEDED
from watcher.simulator.inventory import Connection, Inventory, Place, Repository
from watcher.simulator.subject import Blocker, Span, Subject, SyncSettings
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline, initial_state
from watcher.sources.codeconnections import REPOSITORY, STACK
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE

ONE = Place("111111111111", "us-east-1")
BLOCKER = Blocker(Span(10, 20), "why", (("a", "b"),), "done", kept=5)
STORY = Subject(
    STACK,
    (("name", "a"),),
    settings=SyncSettings(moves=((10, "release"), (20, "live"))),
    absent=(Span(5, 6), Span(30)),
    blockers=(BLOCKER,),
)


@pytest.mark.parametrize(
    ("moment", "status"),
    [(9.9, None), (10, "ACTIVE"), (19.9, "ACTIVE"), (20, "RESOLVED"), (24.9, "RESOLVED"), (25, None)],
)
def test_a_blocker_is_active_then_resolved_then_forgotten(moment: float, status: str | None) -> None:
    found = list(STORY.blockers_at(1000.0, moment))
    assert [each["status"] for each in found] == ([status] if status else [])
    for each in found:
        assert (each["createdAt"], each["contexts"]) == (1010.0, [{"key": "a", "value": "b"}])
        assert ("resolvedAt" in each) == (status == "RESOLVED")


@pytest.mark.parametrize(("moment", "exists"), [(0, True), (5, False), (6, True), (30, False), (1e9, False)])
def test_a_target_does_not_exist_while_it_is_absent(moment: float, *, exists: bool) -> None:
    assert STORY.exists(moment) is exists


@pytest.mark.parametrize(("moment", "branch"), [(0, "main"), (10, "release"), (20, "live")])
def test_a_target_moves_to_other_branches(moment: float, branch: str) -> None:
    assert STORY.branch_at(moment) == branch


def test_an_attempt_after_a_move_is_of_the_new_branch() -> None:
    timeline = Timeline((Scene(Status(SUCCEEDED, NewAttempt()), 15), Scene(Status(SUCCEEDED, NewAttempt()))))
    state = advance(STORY, timeline, 1000.0, initial_state(STORY, timeline, 1000.0, 0.0), 16.0)
    assert [(each.target_revision or {})["branch"] for each in state.attempts] == ["main", "release"]


def test_a_faster_target_has_the_same_story() -> None:
    fast = STORY.at_pace(10)
    assert (fast.branch_at(1), fast.exists(0.55), fast.exists(0.65)) == ("release", False, True)
    assert [each["status"] for each in fast.blockers_at(0.0, 2.4)] == ["RESOLVED"]
    assert list(fast.blockers_at(0.0, 2.6)) == []


@pytest.mark.parametrize(
    ("kind", "identity", "target", "folder"),
    [
        (STACK, ("net",), "net", "/deployments"),
        (TEMPLATE, ("SERVICE", "web", "2"), "web:2", "/web/v2"),
        (SERVICE_INSTANCE, ("shop", "prod"), "shop/prod", "/shop"),
        (REPOSITORY, ("link", "main"), None, "/deployments"),
    ],
)
def test_attempts_name_their_target(kind: type, identity: tuple[str, ...], target: str | None, folder: str) -> None:
    subject = Subject(kind, tuple(zip((part.name for part in kind.identity), identity, strict=True)))
    assert (subject.attempt_target, subject.folder()) == (target, folder)


@pytest.mark.parametrize(("moment", "status"), [(0, "PENDING"), (4.9, "PENDING"), (5, "AVAILABLE"), (100, "ERROR")])
def test_a_connection_has_a_status_from_a_moment_on(moment: float, status: str) -> None:
    connection = Connection("c", statuses=((1, "PENDING"), (5, "AVAILABLE"), (50, "ERROR")))
    assert connection.status_at(moment) == status
    assert connection.at_pace(2).status_at(moment / 2) == status


def test_what_is_of_this_account_alone_counts_more_than_what_is_everywhere() -> None:
    everywhere = Subject(STACK, (("name", "a"),), repository="org/everywhere")
    own = Subject(STACK, (("name", "a"),), account=ONE.account, repository="org/own")
    for subjects in ((everywhere, own), (own, everywhere)):
        found = Inventory(ONE, 0.0, 100, subjects, (), ())
        assert [each.name for each in found.links.values()] == ["org/own"]
    other = Inventory(Place("222222222222", "us-east-1"), 0.0, 100, (everywhere, own), (), ())
    assert [each.name for each in other.links.values()] == ["org/everywhere"]


def test_the_branches_of_a_repository_share_its_link() -> None:
    stacks = [Subject(STACK, (("name", name),), repository="org/r", branch=name) for name in ("main", "live")]
    found = Inventory(ONE, 0.0, 100, stacks, (Repository("org/r"), Repository("org/r")), ())
    (link,) = found.links
    assert [each.name for each in found.stacks(link, 0.0)] == ["live", "main"]
    assert list(found.connections) == ["github"]
