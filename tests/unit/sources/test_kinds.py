"""What each kind is called in ids, asks AWS for, and reads of an answer that has only the latest attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

from watcher.core.model import Attempt, Snapshot
from watcher.errors import TargetUnreadable
from watcher.sources import codeconnections, proton

if TYPE_CHECKING:
    from watcher.core.kinds import Kind

LINK = "6053346f-8a33-4edb-9397-10394b695173"
LINKED = codeconnections.REPOSITORY.target("prod", "us-east-1", {"link": LINK, "branch": "feature/a b"})
TEMPLATES = proton.REPOSITORY.target(
    "prod",
    "us-east-1",
    {"provider": "GITHUB", "name": "org/templates", "branch": "main", "sync_type": "TEMPLATE_SYNC"},
)
INSTANCE = proton.SERVICE_INSTANCE.target("prod", "us-east-1", {"service": "shop", "name": "shop-prod"})
TARGETS = {
    "template": proton.template("prod", "us-east-1", "SERVICE", "web", "2"),
    "stack": codeconnections.stack("prod", "us-east-1", "network"),
    "service-instance": INSTANCE,
    "repository of a link": LINKED,
    "repository of Proton": TEMPLATES,
}
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
repositories = pytest.mark.parametrize("kind", [codeconnections.REPOSITORY, proton.REPOSITORY], ids=str)
MODELS = botocore.session.get_session()


def test_the_id_has_the_variant_and_every_part_of_the_identity() -> None:
    assert LINKED.id == f"prod/us-east-1/repository/codeconnections/{LINK}/feature%2Fa%20b"
    assert TEMPLATES.id == "prod/us-east-1/repository/proton/GITHUB/org%2Ftemplates/main/TEMPLATE_SYNC"
    assert INSTANCE.id == "prod/us-east-1/service-instance/shop/shop-prod"


def test_people_know_a_target_by_its_title_and_a_name() -> None:
    assert (LINKED.title, LINKED.name) == (f"{LINK} @ feature/a b", LINK)
    assert (TEMPLATES.title, TEMPLATES.name) == ("org/templates @ main (TEMPLATE_SYNC)", "org/templates")
    assert (INSTANCE.title, INSTANCE.name) == ("shop/shop-prod", "shop-prod")


@each_target
def test_a_request_has_what_the_service_model_requires_and_nothing_else(target: Any) -> None:
    kind, request = target.kind, target.kind.request(target)
    members = _operation(kind).input_shape
    assert request.keys() == set(members.required_members) == members.members.keys()
    for name, value in request.items():
        assert value in (members.members[name].enum or [value])


@each_target
def test_the_choices_of_a_part_are_those_of_the_service_model(target: Any) -> None:
    for part in target.kind.identity:
        assert set(part.choices) == set(_operation(target.kind).input_shape.members[part.parameter].enum)


@repositories
def test_every_member_of_the_models_answer_about_a_repository_is_read(kind: Kind) -> None:
    answer = _operation(kind).output_shape
    (attempt,) = answer.members.values()
    assert {*map(str.lower, answer.members)} == {"latestsync"}
    assert {*map(str.lower, attempt.members)} == {"status", "startedat", "events"}


def answer_about(kind: Kind, **attempt: Any) -> dict[str, Any]:
    spell = str.capitalize if kind is codeconnections.REPOSITORY else str
    names = {"startedAt": "StartedAt"} if kind is codeconnections.REPOSITORY else {}
    found = {names.get(name, spell(name)): value for name, value in attempt.items()}
    return {"LatestSync" if names else "latestSync": found}


@repositories
@pytest.mark.parametrize("status", ["QUEUED", "INITIATED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "PAUSED"])
def test_a_repositorys_attempt_has_no_target_and_no_revisions_and_nothing_is_amiss(kind: Kind, status: str) -> None:
    snapshot = kind.read(answer_about(kind, status=status, startedAt=1795766400, events=[]))
    attempt = Attempt(datetime(2026, 11, 27, 8, tzinfo=UTC), status, None, None, None, ())
    assert snapshot == Snapshot(desired_state=None, latest=attempt, latest_successful=None)
    assert not snapshot.odd


@repositories
@pytest.mark.parametrize("answer", [{}, {"latestSync": None, "LatestSync": None}])
def test_an_answer_without_an_attempt_is_a_repository_that_never_synced(kind: Kind, answer: dict[str, Any]) -> None:
    assert kind.read(answer) == Snapshot(None, None, None)


@repositories
@pytest.mark.parametrize("attempt", [{"status": "QUEUED"}, {"startedAt": 1}, {"status": 1, "startedAt": 1}])
def test_a_repositorys_attempt_without_status_or_begin_is_refused(kind: Kind, attempt: dict[str, Any]) -> None:
    with pytest.raises(TargetUnreadable):
        kind.read(answer_about(kind, **attempt))


@repositories
def test_what_else_is_missing_in_a_repositorys_attempt_is_absent(kind: Kind) -> None:
    snapshot = kind.read(answer_about(kind, status="FAILED", startedAt=1795766400))
    assert snapshot.latest is not None
    assert snapshot.latest.events == ()
    assert [odd.lower() for odd in snapshot.odd] == ["events is missing"]


def _operation(kind: Kind) -> Any:
    return MODELS.get_service_model(kind.api).operation_model(kind.operation)
