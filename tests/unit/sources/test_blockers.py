"""Answers about blockers are read alike from both services, tolerantly, or are refused for what they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.session import Session

from watcher.core.model import Blocker
from watcher.errors import TargetUnreadable
from watcher.sources import KINDS
from watcher.sources.codeconnections import STACK
from watcher.sources.parsing import MAX_CONTEXT_BYTES, MAX_CONTEXTS
from watcher.sources.proton import SERVICE_INSTANCE
from watcher.util.bounded_text import LONGEST_TEXT
from watcher.util.redaction import HIDDEN, remember

if TYPE_CHECKING:
    from watcher.core.kinds import Kind

EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def listed(**altered: Any) -> dict[str, Any]:
    """A blocker as CodeConnections lists it."""
    return {
        "Id": "b-1",
        "Type": "AUTOMATED",
        "Status": "ACTIVE",
        "CreatedReason": "no such template",
        "CreatedAt": EIGHT.timestamp(),
        "Contexts": [{"Key": "pull-request", "Value": "42"}, {"Key": "branch", "Value": "main"}],
    } | altered


ACTIVE = Blocker("b-1", "AUTOMATED", "ACTIVE", "no such template", EIGHT, {"pull-request": "42", "branch": "main"})


def read(*blockers: Any) -> tuple[Blocker, ...]:
    assert STACK.blockers is not None
    return STACK.blockers.read({"SyncBlockerSummary": {"ResourceName": "network", "LatestBlockers": list(blockers)}})


def test_a_stacks_blockers_are_read() -> None:
    resolved = listed(Status="RESOLVED", ResolvedReason="added it", ResolvedAt="2026-11-23T08:00:00Z")
    assert read(listed(), resolved) == (
        ACTIVE,
        Blocker(**{**{name: getattr(ACTIVE, name) for name in ACTIVE.__slots__}, "status": "RESOLVED",
                   "resolved_reason": "added it", "resolved_at": EIGHT}),
    )  # fmt: skip


def test_a_service_instances_blockers_are_read() -> None:
    assert SERVICE_INSTANCE.blockers is not None
    form = {name[0].lower() + name[1:]: value for name, value in listed().items()}
    form["contexts"] = [{"key": "pull-request", "value": "42"}, {"key": "branch", "value": "main"}]
    summary = {"serviceName": "shop", "latestBlockers": [form]}
    assert SERVICE_INSTANCE.blockers.read({"serviceSyncBlockerSummary": summary}) == (ACTIVE,)


@pytest.mark.parametrize("summary", [{}, {"LatestBlockers": []}, {"LatestBlockers": None}])
def test_a_summary_without_blockers_has_none(summary: dict[str, Any]) -> None:
    assert STACK.blockers is not None
    assert STACK.blockers.read({"SyncBlockerSummary": summary}) == ()


@pytest.mark.parametrize(
    ("altered", "field", "value"),
    [
        ({"Type": 1}, "type", None),
        ({"CreatedReason": None}, "created_reason", None),
        ({"CreatedAt": "soon"}, "created_at", None),
        ({"CreatedAt": "2026-11-23T09:00:00+01:00"}, "created_at", EIGHT),
        ({"ResolvedAt": []}, "resolved_at", None),
        ({"ResolvedReason": {}}, "resolved_reason", None),
        ({"Contexts": None}, "contexts", {}),
        ({"Contexts": "x"}, "contexts", {}),
        ({"Contexts": ["x"]}, "contexts", {}),
        ({"Contexts": [{"Key": "a"}, {"Value": "b"}, {"Key": 1, "Value": "c"}, {"Key": "d", "Value": "e"}]},
         "contexts", {"d": "e"}),
        ({"Status": "SUSPENDED"}, "status", "SUSPENDED"),
    ],
)  # fmt: skip
def test_a_malformed_member_is_taken_as_absent(altered: dict[str, Any], field: str, value: object) -> None:
    (blocker,) = read(listed(**altered))
    assert getattr(blocker, field) == value


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"SyncBlockerSummary": None},
        {"SyncBlockerSummary": []},
        {"SyncBlockerSummary": {"LatestBlockers": {}}},
        {"SyncBlockerSummary": {"LatestBlockers": ["x"]}},
        {"SyncBlockerSummary": {"LatestBlockers": [None]}},
        {"SyncBlockerSummary": {"LatestBlockers": [{}]}},
        {"SyncBlockerSummary": {"LatestBlockers": [listed(), listed(Id=None)]}},
        {"SyncBlockerSummary": {"LatestBlockers": [listed(Status=1)]}},
    ],
)
def test_an_answer_that_leaves_open_which_blockers_are_active_is_refused(answer: dict[str, Any]) -> None:
    assert STACK.blockers is not None
    with pytest.raises(TargetUnreadable):
        STACK.blockers.read(answer)


def test_texts_are_bounded_and_without_secrets() -> None:
    remember("hush-hush-secret")
    contexts = [{"Key": f"{number}" * 9_000, "Value": "v" * 9_000} for number in range(10, 30)]
    reason = "x" * 9_000
    contexts[0] = {"Key": "a", "Value": "has hush-hush-secret in it"}
    (blocker,) = read(listed(CreatedReason=f"hush-hush-secret {reason}", ResolvedReason=reason, Contexts=contexts))
    assert blocker.created_reason is not None
    assert blocker.resolved_reason is not None
    assert blocker.created_reason.startswith(f"{HIDDEN} x")
    assert max(len(blocker.created_reason), len(blocker.resolved_reason)) <= LONGEST_TEXT
    assert blocker.contexts["a"] == f"has {HIDDEN} in it"
    assert len(blocker.contexts) == MAX_CONTEXTS
    assert max(map(len, (*blocker.contexts, *blocker.contexts.values()))) <= MAX_CONTEXT_BYTES


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.blockers], ids=str)
def test_the_calls_are_those_of_the_service_model(kind: Kind) -> None:
    """Blockers are asked for with the parameters of the call for the status, and `aws` resolves them."""
    assert kind.blockers is not None
    model = Session().get_service_model(kind.api)
    target = kind.target("default", "us-east-1", {part.name: str(part.example) for part in kind.identity})
    asked = model.operation_model(kind.blockers.operation).input_shape
    assert {*kind.request(target)} <= {*asked.members}
    assert {*asked.required_members} <= {*kind.request(target)}
    service, command, *options = kind.blockers.resolve
    (operation,) = [name for name in model.operation_names if xform_name(name, "-") == command]
    assert service == kind.api
    given = {"--resolved-reason", *options[::2]}
    members = model.operation_model(operation).input_shape.members
    assert given == {f"--{xform_name(name, '-')}" for name in members}
