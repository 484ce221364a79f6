"""The stacks of `deploy/hints.yaml` and `deploy/member-hints.yaml`: which events reach the queue, and from whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.deploy.choices import HERE, hints_stack, member_hints_stack
from tests.unit.simulator.test_git_events import CHANGES
from watcher.polling.hint_reader import HIDDEN_SECONDS
from watcher.simulator.git_events import FORMS, event

ORGANIZATION = {"OrganizationId": "o-abcdefghij"}
ACCOUNTS = {"MemberAccounts": "222233334444,333344445555"}


def matches(pattern: dict[str, list[Any]], found: dict[str, Any]) -> bool:
    """Whether EventBridge's pattern, of texts and prefixes, matches an event."""
    return all(
        any(found[key].startswith(each["prefix"]) if isinstance(each, dict) else found[key] == each for each in choices)
        for key, choices in pattern.items()
    )


def patterns() -> list[dict[str, list[Any]]]:
    stacks = [hints_stack(**ORGANIZATION), member_hints_stack()]
    return [rule["EventPattern"] for stack in stacks for rule in stack.of_type("AWS::Events::Rule").values()]


@pytest.mark.parametrize("form", FORMS)
def test_every_rule_matches_the_events_of_git_sync_and_no_others(form: str) -> None:
    assert len(patterns()) == 3
    for pattern in patterns():
        for change in CHANGES:
            made = event(change, form)
            assert matches(pattern, made)
            assert not matches(pattern, {**made, "detail-type": "CodeConnections Connection Status Change"})
            assert not matches(pattern, {**made, "source": "aws.cloudformation"})


@pytest.mark.parametrize(
    ("given", "rules"),
    [({}, ["<Rule.Arn>"]), (ORGANIZATION, ["<Rule.Arn>", "<MemberRule.Arn>"])],
)
def test_only_the_rules_of_the_stack_send_to_the_queue(given: dict[str, str], rules: list[str]) -> None:
    stack = hints_stack(**given)
    (statement,) = stack.properties("QueuePolicy")["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == "<Queue.Arn>"
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rules}}
    for rule in stack.of_type("AWS::Events::Rule").values():
        assert [target["Arn"] for target in rule["Targets"]] == ["<Queue.Arn>"]


def test_without_other_accounts_there_is_no_bus() -> None:
    assert set(hints_stack().resources) == {"Queue", "QueuePolicy", "Rule"}
    assert set(hints_stack().outputs) == {"QueueUrl", "QueueArn"}


@pytest.mark.parametrize(
    ("given", "principal", "condition"),
    [
        (ORGANIZATION, "*", {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}),
        (ACCOUNTS, {"AWS": ["222233334444", "333344445555"]}, None),
    ],
)
def test_the_named_accounts_may_forward_to_the_bus_and_no_others(
    given: dict[str, str], principal: Any, condition: Any
) -> None:
    stack = hints_stack(**given)
    (policy,) = stack.of_type("AWS::Events::EventBusPolicy").values()
    statement = policy["Statement"]
    assert (statement["Principal"], statement.get("Condition")) == (principal, condition)
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", "<Bus.Arn>")
    assert stack.properties("MemberRule")["EventBusName"] == policy["EventBusName"] == "<Bus>"


def test_a_message_is_kept_for_longer_than_it_is_hidden() -> None:
    queue = hints_stack().properties("Queue")
    assert queue["MessageRetentionPeriod"] > 10 * HIDDEN_SECONDS
    assert queue["SqsManagedSseEnabled"] is True


def test_a_member_account_forwards_to_the_bus_and_its_role_may_do_nothing_else() -> None:
    stack = member_hints_stack()
    bus = f"arn:aws:events:{HERE}:event-bus/hints-git-sync"
    (target,) = stack.properties("Rule")["Targets"]
    assert (target["Arn"], target["RoleArn"]) == (bus, "<Role.Arn>")
    (statement,) = stack.statements("Role")
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", bus)
    (trust,) = stack.properties("Role")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
