"""Names and regions are what the installed botocore, and thus AWS, takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.session
import pytest

from watcher.aws import service_models
from watcher.aws.service_models import is_region, text_rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config
    from watcher.errors import Fault

SESSION = botocore.session.get_session()
REGIONS = sorted(
    region
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("ec2", partition)
)


@pytest.mark.parametrize("region", [*REGIONS, "eusc-de-east-1", "xy-southwest-12"])
def test_a_region_that_botocore_knows_or_that_has_the_form_of_one_is_taken_everywhere(
    read: Callable[..., Config], region: str
) -> None:
    text = f"stacks: [{{name: a}}]\nstate: dynamodb://t12?region={region}\n"
    for config in (
        read(text, {"AWS_REGION": region}),
        read(text, {"AWS_DEFAULT_REGION": region}),
        read(text, {}, default=region),
        read(text + f"accounts: [{{name: a, regions: [{region}]}}]\n", {}),
        read(f"stacks: [{{name: a, region: {region}}}]\n", {}),
    ):
        assert [target.region for target in config.targets] == [region]


@pytest.mark.parametrize(
    "region",
    ["", "us-east", "US-EAST-1", "us east 1", "us-east-1a", "us-east-1.evil.com", "aws-global", "-east-1", "1"],
)
def test_what_is_not_a_region_is_refused_everywhere(faults: Callable[..., list[Fault]], region: str) -> None:
    stack = "stacks: [{name: a, region: us-east-1}]\n"
    texts = [
        f"{stack}accounts: [{{name: a, regions: ['{region}']}}]\n",
        f"{stack}state: 'dynamodb://t12?region={region}'\n",
        f"stacks: [{{name: a, region: '{region}'}}]\n",
    ]
    for text in texts:
        (fault,) = faults(text)
        assert "region" in fault.message
    for text in ("stacks: [{name: a}]\n", f"{stack}state: dynamodb://t12\n"):
        (fault,) = faults(text, {"AWS_REGION": region} if region else {})
        assert "AWS_REGION" in fault.message


def test_a_region_of_another_form_that_botocore_knows_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_region("moon1")
    monkeypatch.setattr(service_models, "_known_regions", lambda: {"moon1"})
    assert is_region("moon1")


@pytest.mark.parametrize(
    "place",
    [
        ("proton", "GetTemplateSyncStatus", "templateName"),
        ("proton", "GetTemplateSyncStatus", "templateVersion"),
        ("codeconnections", "GetResourceSyncStatus", "ResourceName"),
        ("sts", "AssumeRole", "RoleArn"),
        ("sts", "AssumeRole", "ExternalId"),
        ("events", "PutEvents", "Entries", "EventBusName"),
    ],
    ids="-".join,
)
def test_a_rule_is_what_botocores_own_loader_reads(place: tuple[str, ...]) -> None:
    service, operation, *members = place
    shape = SESSION.get_service_model(service).operation_model(operation).input_shape
    for member in members:
        shape = shape.members[member]
        shape = shape.member if shape.type_name == "list" else shape
    rule = text_rule(*place)
    expected = tuple(shape.metadata.get(name) for name in ("min", "max", "pattern"))
    assert (rule.shortest, rule.longest, rule.pattern) == expected
    assert rule.pattern is not None


@pytest.mark.parametrize(
    ("rule", "text", "allowed"),
    [
        (service_models.TextRule(0, None, None), "", True),
        (service_models.TextRule(1, None, None), "", False),
        (service_models.TextRule(0, 3, None), "four", False),
        (service_models.TextRule(0, None, "[a-z]+"), "abc", True),
        (service_models.TextRule(0, None, "[a-z]+"), "abc!", False),
        (service_models.TextRule(0, None, r"\w+"), "é", False),
    ],
)
def test_a_rule_holds_for_all_of_a_text(rule: service_models.TextRule, text: str, *, allowed: bool) -> None:
    assert rule.allows(text) is allowed


@pytest.mark.parametrize("pattern", [r"[\p{L}]+", "(", None])
def test_a_pattern_that_python_does_not_read_refuses_nothing(pattern: str | None) -> None:
    assert service_models._readable(pattern) is None


@pytest.mark.parametrize(
    ("queue", "region"),
    [
        ("https://sqs.eusc-de-east-1.amazonaws.eu/111122223333/syncs", "eusc-de-east-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/syncs", "us-gov-west-1"),
        ("https://sqs.eu-west-1.api.aws/111122223333/syncs", "eu-west-1"),
        ("https://sqs.example.com/111122223333/syncs", "us-east-1"),
    ],
)
def test_a_queues_address_has_its_region_in_every_partition(
    read: Callable[..., Config], queue: str, region: str
) -> None:
    config = read(f"stacks: [{{name: a}}]\nsinks: [{{name: q, type: sqs, queue: '{queue}'}}]\n")
    assert config.sinks[0].region == region


@pytest.mark.parametrize(("length", "fits"), [(4_000, True), (4_100, False)])
def test_labels_leave_room_in_an_event(faults: Callable[..., list[Fault]], length: int, *, fits: bool) -> None:
    half = "x" * (length // 2)
    found = faults(f"defaults: {{labels: {{a: {half}}}}}\nstacks: [{{name: a, labels: {{b: {half}}}}}]")
    assert [fault.path for fault in found] == ([] if fits else ["stacks[0].labels"])


@pytest.mark.parametrize(("length", "fits"), [(128, True), (129, False)])
def test_names_of_accounts_and_sinks_are_bounded(
    faults: Callable[..., list[Fault]], length: int, *, fits: bool
) -> None:
    name = "n" * length
    found = faults(f"accounts: [{{name: {name}}}]\nstacks: [{{name: a}}]\nsinks: [{{name: {name}, type: stdout}}]")
    assert [fault.path for fault in found] == ([] if fits else ["accounts[0].name", "sinks[0].name"])


def test_a_name_from_a_variable_is_not_shown(faults: Callable[..., list[Fault]]) -> None:
    arn = "arn:aws:cloudformation:us-east-1:111122223333:stack/network/1"
    (fault,) = faults("stacks: [{name: '${NAME}'}]", {"AWS_REGION": "us-east-1", "NAME": arn})
    assert "network" not in fault.message
    assert "'${NAME}', as filled in, is not a stack name that AWS accepts" in fault.message
