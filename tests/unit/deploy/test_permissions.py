"""What the roles in `deploy/` allow is what the code calls, and nothing beside it, on nothing but what was given."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from botocore import xform_name
from botocore.credentials import AssumeRoleCredentialFetcher
from botocore.loaders import create_loader
from botocore.model import ServiceModel

import watcher
from tests.unit.deploy.choices import (
    BUSES,
    CHOICES,
    CONFIG,
    CONFIG_KEY,
    EVERYTHING,
    EXTERNAL_ID,
    FEWEST,
    HINTS,
    IN_OBJECT,
    IN_PARAMETER,
    IN_PROFILE,
    MAKING,
    MEMBERS,
    OBJECT,
    PROFILE,
    QUEUE,
    REPOSITORY,
    SECRET,
    SINK_KEY,
    TABLE,
    TOPIC,
    member_hints_stack,
    member_stack,
    watcher_stack,
)
from tests.unit.deploy.stacks import ACCOUNT, REGION, Stack
from watcher.aws import queue
from watcher.config.remote.services import TEXTS
from watcher.core.kinds import Kind
from watcher.sinks import SINKS
from watcher.sinks.aws import AwsOptions
from watcher.sources import KINDS
from watcher.stores.dynamodb import table

BY_ANOTHER_NAME = {
    # A batch needs the permission of a single message; service authorization reference, "Actions" of SNS and SQS.
    "sns:PublishBatch": {"sns:Publish"},
    "sqs:SendMessageBatch": {"sqs:SendMessage"},
    "sqs:ChangeMessageVisibilityBatch": {"sqs:ChangeMessageVisibility"},
    # A transaction needs the permissions of what is in it; "Using IAM with DynamoDB transactions" in its guide.
    "dynamodb:TransactGetItems": {"dynamodb:GetItem"},
    "dynamodb:TransactWriteItems": {
        f"dynamodb:{kind.__name__.removesuffix('Item')}Item" for kind in table.Operation.__subclasses__()
    },
}
"""Where the permission is not named as the call is."""

POLICIES = "cfnlint/data/AdditionalSpecs/Policies.json"
"""AWS's service authorization reference, as cfn-lint carries it."""

ENCRYPTED = {"kms:Decrypt", "kms:GenerateDataKey"}
"""What SNS and SQS ask of whoever sends to an encrypted topic or queue; developer guides, "Key management"."""
MOUNT = {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}
"""What EFS asks of whoever mounts with IAM: the platform does so in the task's name, the code knows nothing of it."""


@cache
def model_of(service: str) -> ServiceModel:
    """Botocore's own."""
    return ServiceModel(create_loader().load_service_model(service, "service-2"), service)


def permissions(service: str, operation: str) -> set[str]:
    """What IAM asks for a call, by botocore's own model of the service; `operation` as AWS or as Python spells it."""
    model = model_of(service)
    (called,) = {name for name in model.operation_names if operation in (name, xform_name(name))}
    call = f"{model.signing_name}:{called}"
    needed = BY_ANOTHER_NAME.get(call, {call})
    # AWS asks for either name; "Rename of AWS CodeStar Connections" in its guide.
    older = {each.replace("codeconnections:", "codestar-connections:") for each in needed}
    return needed | older


def reads() -> set[str]:
    """For every call that a source makes."""
    calls = {(source.api, source.operation) for source in KINDS.values()}
    calls |= {(source.api, source.blockers.operation) for source in KINDS.values() if source.blockers}
    calls |= {(source.api, operation) for source in KINDS.values() for operation in asked(source)}
    return {action for api, operation in calls for action in permissions(api, operation)}


def asked(kind: Kind) -> set[str]:
    """The operations that the listing of a kind calls where AWS has one of everything."""
    operations: set[str] = set()

    async def ask(operation: str, _: object) -> dict[str, Any]:
        operations.add(operation)
        answer: dict[str, Any] = one_of(model_of(kind.api).operation_model(operation).output_shape)
        return {name: value for name, value in answer.items() if name.lower() != "nexttoken"}

    if kind.listing is not None:
        asyncio.run(kind.listing(ask))
    return operations


def one_of(shape: Any) -> Any:
    """A value of a shape of botocore's models, with one of everything."""
    match shape.type_name:
        case "structure":
            return {name: one_of(member) for name, member in shape.members.items()}
        case "list":
            return [one_of(shape.member)]
    return "1"


def sends() -> set[str]:
    """For every call that a sink makes."""
    types = [resolve_name(place) for place in SINKS.values()]
    return {
        action for sink in types if issubclass(sink, AwsOptions) for action in permissions(sink.service, sink.operation)
    }


def hears() -> set[str]:
    """For every call to a queue of hints."""
    calls = re.findall(r'_call\(\s*"(\w+)"', Path(queue.__file__).read_text(encoding="utf-8"))
    return {action for operation in calls for action in permissions("sqs", operation)}


def assumes() -> set[str]:
    """For taking a role, which is botocore's fetcher's one call."""
    assert "assume_role" in AssumeRoleCredentialFetcher._get_credentials.__code__.co_names
    return permissions("sts", "assume_role")


OPERATORS = {
    "schema._init", "schema._description", "schema._turn_on_ttl", "schema._turn_on_recovery",  # `state init`
}  # fmt: skip
"""The functions of the store that no daemon comes to."""


@cache
def stored() -> dict[str, set[str]]:
    """By module and function of the DynamoDB store, what it needs for the calls that it makes."""
    found: dict[str, set[str]] = {}
    for path in Path(table.__file__).parent.glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for call in ast.walk(function):
                    match call:
                        case ast.Call(
                            ast.Attribute(attr="call" | "_call" | "_paged"), [ast.Constant(str(operation)), *_]
                        ):
                            needed = permissions("dynamodb", operation)
                            found.setdefault(f"{path.stem}.{function.name}", set()).update(needed)
    return found


def keeps() -> set[str]:
    """For every call to the state table that a daemon makes."""
    return {action for name, needed in stored().items() if name not in OPERATORS for action in needed}


def actions(statements: list[Any]) -> list[str]:
    return [action for statement in statements for action in listed(statement["Action"])]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def by_sid(stack: Stack, role: str) -> dict[str, Any]:
    return {statement["Sid"]: statement for statement in stack.statements(role)}


def test_the_task_may_make_the_calls_that_the_code_makes_and_no_other() -> None:
    allowed = set(actions(watcher_stack(EVERYTHING).statements("TaskRole")))
    assert allowed == reads() | sends() | hears() | assumes() | keeps() | ENCRYPTED | MOUNT


def test_a_member_accounts_role_may_make_the_calls_of_the_sources_and_no_other() -> None:
    assert set(actions(member_stack().statements("Role"))) == reads()


def test_with_the_fewest_choices_the_task_may_only_read_the_sync_status() -> None:
    assert set(actions(watcher_stack(FEWEST).statements("TaskRole"))) == reads()


@pytest.mark.parametrize(
    ("choice", "sid", "service", "resource"),
    [
        (IN_PARAMETER, "ReadConfigurationParameter", "ssm", CONFIG),
        (IN_OBJECT, "ReadConfigurationObject", "s3", OBJECT),
        (IN_PROFILE, "ReadConfigurationProfile", "appconfigdata", PROFILE),
    ],
)
def test_the_task_reads_the_given_configuration_and_nothing_else(
    choice: dict[str, str], sid: str, service: str, resource: str
) -> None:
    calls = re.findall(r"api\.([a-z_]+)\(", inspect.getsource(TEXTS[service]))
    needed = {action for call in calls for action in permissions(service, call)}
    statement = by_sid(watcher_stack(choice), "TaskRole")[sid]
    assert (set(listed(statement["Action"])), statement["Resource"]) == (needed, resource)
    assert set(actions(watcher_stack(choice).statements("TaskRole"))) == reads() | needed
    assert set(by_sid(watcher_stack(choice), "ExecutionRole")) == {"WriteLogs"}
    assert all(action in TEXTS[service].permissions for action in needed)
    with_key = by_sid(watcher_stack(choice, ConfigKeyArn=CONFIG_KEY), "TaskRole")["DecryptConfiguration"]
    assert (with_key["Action"], with_key["Resource"]) == ("kms:Decrypt", CONFIG_KEY)
    assert (
        f"{service.removesuffix('data')}.{REGION}.amazonaws.com"
        in with_key["Condition"]["StringEquals"]["kms:ViaService"]
    )


def test_the_task_reads_nothing_here_when_it_is_to_watch_other_accounts_only() -> None:
    stack = watcher_stack(FEWEST, WatchThisAccount="no", MemberRoleArns=",".join(MEMBERS))
    assert set(actions(stack.statements("TaskRole"))) == assumes()


@pytest.mark.parametrize(
    ("sid", "resource"),
    [
        ("AssumeMemberRoles", list(MEMBERS)),
        ("ReadHints", [HINTS]),
        ("SendToEventBuses", list(BUSES)),
        ("SendToTopics", [TOPIC]),
        ("SendToQueues", [QUEUE]),
        ("UseTheKeyOfTopicsAndQueues", SINK_KEY),
        ("KeepTheState", TABLE),
        ("MountTheFileSystem", f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-0123abcd"),
    ],
)
def test_the_task_reaches_what_was_given_and_nothing_else(sid: str, resource: Any) -> None:
    assert by_sid(watcher_stack(EVERYTHING), "TaskRole")[sid]["Resource"] == resource


def test_the_task_keeps_its_state_in_the_table_that_is_made_and_in_nothing_else() -> None:
    (statement,) = (each for each in watcher_stack(MAKING).statements("TaskRole") if each["Sid"] == "KeepTheState")
    assert statement["Resource"] == "<Table.Arn>"
    assert set(statement["Action"]) == keeps()


def test_the_task_may_neither_make_nor_change_a_table() -> None:
    assert stored().keys() >= OPERATORS
    more = {action for name in OPERATORS for action in stored()[name]} - keeps()
    assert {"dynamodb:CreateTable", "dynamodb:UpdateTimeToLive"} <= more
    assert not more & set(actions(watcher_stack(MAKING).statements("TaskRole")))


def test_ecs_reads_the_given_configuration_and_variables_and_nothing_else() -> None:
    statement = by_sid(watcher_stack(EVERYTHING), "ExecutionRole")["ReadConfiguration"]
    slack, token = (CONFIG.replace("config", name) for name in ("slack", "token"))
    assert statement["Resource"] == [CONFIG, SECRET, EXTERNAL_ID, slack, token]
    assert set(statement["Action"]) == {"secretsmanager:GetSecretValue", "ssm:GetParameters"}


def test_ecs_pulls_from_the_given_repository_and_writes_to_the_own_log_group() -> None:
    allowed = by_sid(watcher_stack(EVERYTHING), "ExecutionRole")
    assert allowed["PullTheImage"]["Resource"] == REPOSITORY
    assert allowed["WriteLogs"]["Resource"] == "<LogGroup.Arn>"
    assert set(allowed["WriteLogs"]["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_ecs_may_do_nothing_for_what_was_not_chosen() -> None:
    assert set(by_sid(watcher_stack(FEWEST), "ExecutionRole")) == {"WriteLogs", "ReadConfiguration"}


def test_keys_are_used_through_the_services_that_hold_what_they_encrypt_only() -> None:
    stack = watcher_stack(EVERYTHING)
    sinks, config = by_sid(stack, "TaskRole")["UseTheKeyOfTopicsAndQueues"], by_sid(stack, "ExecutionRole")
    assert sinks["Condition"] == {"StringLike": {"kms:ViaService": ["sns.*.amazonaws.com", "sqs.*.amazonaws.com"]}}
    assert config["DecryptConfiguration"]["Resource"] == CONFIG_KEY
    assert config["DecryptConfiguration"]["Condition"] == {
        "StringEquals": {"kms:ViaService": [f"secretsmanager.{REGION}.amazonaws.com", f"ssm.{REGION}.amazonaws.com"]}
    }


def test_the_file_system_is_mounted_through_its_access_point_only() -> None:
    statement = by_sid(watcher_stack(EVERYTHING), "TaskRole")["MountTheFileSystem"]
    point = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123abcd"
    assert statement["Condition"] == {"StringEquals": {"elasticfilesystem:AccessPointArn": point}}


def every_statement() -> list[Any]:
    """Of every role, with every choice."""
    stacks = [*(watcher_stack(choice) for choice in CHOICES.values()), member_stack(), member_hints_stack()]
    return [
        statement
        for stack in stacks
        for role in stack.of_type("AWS::IAM::Role")
        for statement in stack.statements(role)
    ]


def test_no_action_is_a_pattern_and_nothing_is_allowed_by_exception() -> None:
    for statement in every_statement():
        assert not any("*" in action or "?" in action for action in actions([statement])), statement
        assert not {"NotAction", "NotResource", "NotPrincipal"} & statement.keys(), statement
        assert statement["Effect"] == "Allow"


def test_every_resource_is_named_unless_aws_can_bound_none_of_the_actions_to_one() -> None:
    # Read as a file: to import the package takes seconds.
    known = json.loads(Path(str(distribution("cfn-lint").locate_file(POLICIES))).read_text(encoding="utf-8"))
    unbounded = set()
    for statement in every_statement():
        if "*" in listed(statement["Resource"]):
            for action in actions([statement]):
                service, _, name = action.partition(":")
                assert "Resources" not in known[service]["Actions"][name.lower()], f"{action} can be bounded"
                unbounded.add(action)
    bounded = permissions("codeconnections", "GetRepositorySyncStatus")
    bounded |= permissions("codeconnections", "ListConnections")
    bounded |= permissions("proton", "ListEnvironmentTemplateVersions")
    bounded |= permissions("proton", "ListServiceTemplateVersions")
    assert unbounded == reads() - bounded | {"ecr:GetAuthorizationToken"}


@pytest.mark.parametrize(("stack", "role"), [(watcher_stack(FEWEST), "TaskRole"), (member_stack(), "Role")])
def test_linked_repositories_are_read_in_the_own_account_only(stack: Stack, role: str) -> None:
    services = ("codeconnections", "codestar-connections")
    wanted = [f"arn:aws:{service}:*:{ACCOUNT}:repository-link/*" for service in services]
    assert by_sid(stack, role)["ReadRepositorySyncStatus"]["Resource"] == wanted


@pytest.mark.parametrize("role", ["TaskRole", "ExecutionRole"])
def test_only_ecs_on_behalf_of_this_account_takes_the_roles_of_the_task(role: str) -> None:
    (trust,) = watcher_stack().properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert trust["Action"] == "sts:AssumeRole"
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:*"},
    }


def test_only_watchers_role_with_the_external_id_takes_a_member_accounts_role() -> None:
    (trust,) = member_stack().properties("Role")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/watcher-TaskRole-1"}
    assert trust["Action"] == "sts:AssumeRole"
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "an-external-id-of-32"}}


def test_there_is_no_role_beside_these() -> None:
    assert set(watcher_stack(EVERYTHING).of_type("AWS::IAM::Role")) == {"TaskRole", "ExecutionRole"}
    assert set(member_stack().resources) == {"Role"}
    kinds = {made["Type"] for made in watcher_stack(EVERYTHING).resources.values()}
    assert not {kind for kind in kinds if kind.startswith("AWS::IAM::")} - {"AWS::IAM::Role"}


def test_calls_to_aws_are_made_where_these_tests_look_for_them() -> None:
    code = Path(watcher.__file__).parent
    texts = {path.relative_to(code).as_posix(): path.read_text(encoding="utf-8") for path in code.rglob("*.py")}
    assert {name for name, text in texts.items() if "create_client" in text} == {
        "aws/credential_chain.py",
        "aws/client.py",
    }
    assert {name for name, text in texts.items() if re.search(r"(?<!\w)Client\(", text)} == {
        "aws/queue.py",
        "config/remote/source.py",
        "polling/endpoint.py",
        "sinks/aws_sender.py",
        "stores/dynamodb/client.py",
    }
    # Whoever calls another's table by its name is not seen by `stored`.
    assert {name for name, text in texts.items() if re.search(r"\.scan\(|schema import.*init", text)} == {
        "cli/state.py",
        "stores/dynamodb/transfer.py",
        "stores/dynamodb/contents.py",
    }
