"""What `deploy/README.md` says of the templates is so: permissions, parameters, alarms, and the sum of the costs."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from tests.support.dockerfile import DEPLOY
from tests.unit.deploy.choices import CONFIG_KEY, EVERYTHING, IN_AWS, ON_FILE, TEMPLATES, member_stack, watcher_stack
from tests.unit.deploy.stacks import template
from tests.unit.deploy.test_permissions import OPERATORS, stored
from watcher.observability.emf import UNITS

TEXT = (DEPLOY / "README.md").read_text(encoding="utf-8")
TASK, EXECUTION = (
    TEXT.split("## What each permission is for")[1].split("## What it costs")[0].split("The execution role, which ECS")
)


def test_what_state_init_needs_beside_the_tasks_role_is_told() -> None:
    paragraph = TEXT.split("`state init` is for people")[1].split("\n\n")[0]
    made = [stored()[name] for name in OPERATORS if name.startswith("schema.")]
    item = {"dynamodb:GetItem", "dynamodb:PutItem"}
    shared = stored()["table.scan"] | stored()["schema._ttl_is_on"]
    assert set(re.findall(r"dynamodb:\w+", paragraph)) == set().union(*made, item, shared)


@pytest.mark.parametrize(("role", "text"), [("TaskRole", TASK), ("ExecutionRole", EXECUTION)])
def test_every_permission_is_told_with_what_it_is_for_and_no_other(role: str, text: str) -> None:
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    told = [action for row in rows for action in re.findall(r"`([a-z0-9-]+:[A-Za-z]+)`", row.split("|")[1])]
    statements = {
        statement["Sid"]: statement["Action"]
        for choice in (*IN_AWS, EVERYTHING)
        for statement in watcher_stack(choice, ConfigKeyArn=CONFIG_KEY).statements(role)
    }
    flat = [action for listed in statements.values() for action in (listed if isinstance(listed, list) else [listed])]
    assert sorted(told) == sorted(flat)


def test_every_parameter_that_is_named_exists() -> None:
    known = {parameter for name in TEMPLATES for parameter in template(name)["Parameters"]}
    given = re.findall(r"(?:^|\s)([A-Z][a-z][A-Za-z0-9]+)=(?:arn:|\$[A-Z]|ENABLED|[A-Z_]+=arn)", TEXT)
    given += re.findall(r"ParameterKey=(\w+)", TEXT)
    assert {"Image", "ConfigParameterArn", "Subnets", "MemberRoleArns", "ExternalId"} <= set(given) <= known
    for name in (
        "ConfigObjectArn",
        "ConfigProfileArn",
        "ConfigArn",
        "ConfigFile",
        "FileSystemSecurityGroup",
        "LogMode",
        "MetricNamespace",
        "OldestEventSeconds",
    ):
        assert f"`{name}`" in TEXT
        assert name in known


def test_every_alarm_is_told_and_every_output_that_is_used_exists() -> None:
    assert set(re.findall(r"`(\w+Alarm)`", TEXT)) == set(watcher_stack(ON_FILE).of_type("AWS::CloudWatch::Alarm"))
    used = set(re.findall(r"OutputKey=='(\w+)'", TEXT)) | {"SecurityGroupId"}
    assert used <= watcher_stack().outputs.keys() | member_stack().outputs.keys()


def test_the_costs_add_up() -> None:
    rows = re.findall(r"^\| (.+) \| \**\$([0-9.]+)\** \|$", TEXT, re.MULTILINE)
    parts = [Decimal(cost) for what, cost in rows]
    total = next(index for index, (what, _) in enumerate(rows) if "in all" in what)
    instead = next(index for index, (what, _) in enumerate(rows) if "X86_64" in what)
    assert sum(parts[:total]) - parts[instead] == parts[total]


def test_every_metric_of_a_service_is_in_the_costs() -> None:
    assert f"| {len(UNITS)} metrics of a service ($0.30 each) | ${len(UNITS) * Decimal('0.30')} |" in TEXT


def test_links_lead_to_files() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("http") or (DEPLOY / link).exists(), link
