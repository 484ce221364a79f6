"""The stack that `deploy/cloudformation.yaml` makes: confined tasks that are kept well, and alarms when it is not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.dockerfile import DEPLOY, stages
from tests.unit.deploy.choices import (
    ALARMS,
    CHOICES,
    CONFIG,
    EFS,
    EVERYTHING,
    FEWEST,
    IN_AWS,
    IN_OBJECT,
    IN_PARAMETER,
    IN_PROFILE,
    LOG_KEY,
    MAKING,
    ON_FILE,
    SECRET,
    TABLE,
    TEMPLATES,
    watcher_stack,
)
from tests.unit.deploy.stacks import REGION, RefusedError, Stack, template
from watcher.app.lifecycle import CLOSE_SECONDS
from watcher.cli import USAGE, cli
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.remote.address import parse_remote
from watcher.core.state_url import parse_address
from watcher.errors import ConfigError, StoreError
from watcher.observability.emf import UNITS
from watcher.stores.dynamodb import schema

FINAL = stages((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))[-1]
EVERY = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
ALARMED = {
    "UnhealthyAlarm": ("Alive", "breaching"),
    "BlindAlarm": ("EndpointsBlind", "ignore"),
    "OldestEventAlarm": ("OutboxOldestSeconds", "ignore"),
    "DeadLetterAlarm": ("DeadLetters", "notBreaching"),
    "ReloadAlarm": ("ConfigReloadFailed", "ignore"),
}


def container(stack: Stack) -> Any:
    (only,) = stack.properties("TaskDefinition")["ContainerDefinitions"]
    return only


def metric(alarm: Any) -> Any:
    """What an alarm looks at, whether by itself or in an expression."""
    return alarm["Metrics"][1]["MetricStat"]["Metric"] if "Metrics" in alarm else alarm


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing_not_even_to_remark(name: str) -> None:
    regions = ["us-east-1", "eu-west-1"]
    from cfnlint.api import ManualArgs, lint_file  # noqa: PLC0415  takes seconds, which only this test needs

    found = lint_file(DEPLOY / name, ManualArgs(include_checks=["I"], regions=regions))
    assert [str(finding) for finding in found] == []


@EVERY
def test_tasks_are_replaced_and_rolled_back_by_themselves(choice: dict[str, str]) -> None:
    service = watcher_stack(choice).properties("Service")
    assert int(service["DesiredCount"]) == (2 if choice is EVERYTHING else 1)
    assert service["LaunchType"] == "FARGATE"
    assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert service["EnableExecuteCommand"] is False


@pytest.mark.parametrize(
    ("choice", "healthy", "most", "rebalancing"),
    [
        (FEWEST, 100, 200, "DISABLED"),
        (ON_FILE, 0, 100, "DISABLED"),
        (MAKING, 100, 200, "ENABLED"),
        (EVERYTHING, 100, 200, "ENABLED"),
    ],
)
def test_a_state_file_on_efs_never_has_two_writers_and_other_tasks_overlap(
    choice: dict[str, str], healthy: int, most: int, rebalancing: str
) -> None:
    service = watcher_stack(choice).properties("Service")
    deployment = service["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (healthy, most)
    # It needs room for a second task, is ECS's default, and costs a state that is on the task's disk.
    assert service["AvailabilityZoneRebalancing"] == rebalancing


@pytest.mark.parametrize("count", ["0", "1"])
def test_one_task_needs_no_table_and_two_do(count: str) -> None:
    assert watcher_stack(FEWEST, DesiredCount=count).properties("Service")["DesiredCount"] == count
    with pytest.raises(RefusedError, match="Two tasks need StateTable"):
        watcher_stack({**FEWEST, **EFS}, DesiredCount="2")
    assert watcher_stack(MAKING, DesiredCount="2").properties("Service")["DesiredCount"] == "2"


def test_the_table_that_is_made_is_as_the_store_wants_it_and_outlives_the_stack() -> None:
    made = watcher_stack(MAKING).resources["Table"]
    table = made["Properties"]
    assert table["KeySchema"] == schema.KEYS
    assert table["AttributeDefinitions"] == schema.TYPES
    assert table["TimeToLiveSpecification"] == {"AttributeName": schema.TTL, "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    assert table["DeletionProtectionEnabled"] is True
    assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == (
        "Retain",
        "Retain",
    )  # it is protected: nothing could delete it
    assert "TableName" not in table  # so that it never stands in the way of another


@pytest.mark.parametrize(("choice", "name"), [(MAKING, "<Table>"), (EVERYTHING, "watcher-state")])
def test_the_configuration_can_name_the_table_by_a_variable(choice: dict[str, str], name: str) -> None:
    stack = watcher_stack(choice)
    assert container(stack)["Environment"] == [
        {"Name": "WATCHER_TABLE", "Value": name},
        {"Name": "WATCHER_STATE", "Value": f"dynamodb://{name}"},
    ]
    assert stack.outputs["TableName"] == name
    text = b"state: dynamodb://${WATCHER_TABLE}\nstacks: [{name: network}]\n"
    surroundings = {"AWS_REGION": "us-east-1", "WATCHER_TABLE": "watcher-state"}
    config = parse(Document("watcher.yaml", text), surroundings, lambda _: None)
    assert parse_address(config.state).table == "watcher-state"
    surroundings["WATCHER_STATE"] = "dynamodb://watcher-state"
    without = parse(Document("watcher.yaml", b"stacks: [{name: network}]\n"), surroundings, lambda _: None)
    assert without.state == config.state


def test_there_is_a_table_only_where_one_is_to_be_made() -> None:
    kinds = {name: watcher_stack(choice).of_type("AWS::DynamoDB::Table").keys() for name, choice in CHOICES.items()}
    assert {name for name, tables in kinds.items() if tables} == {"a table that is made"}
    assert "TableName" not in watcher_stack(FEWEST).outputs


@EVERY
def test_the_container_can_write_to_its_volume_only_and_has_no_rights(choice: dict[str, str]) -> None:
    stack = watcher_stack(choice)
    made = container(stack)
    assert made["ReadonlyRootFilesystem"] is True
    assert made["User"] == FINAL.last("USER").text
    assert made["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    (mount,) = made["MountPoints"]
    assert [mount["ContainerPath"]] == FINAL.last("VOLUME").words
    assert mount["SourceVolume"] == stack.properties("TaskDefinition")["Volumes"][0]["Name"]
    assert "Privileged" not in made


def test_a_crash_is_restarted_beside_its_state_but_not_what_a_restart_cannot_mend() -> None:
    policy = container(watcher_stack())["RestartPolicy"]
    assert policy["Enabled"] is True
    assert set(policy["IgnoredExitCodes"]) == {0, USAGE, StoreError.exit_code, ConfigError.exit_code}


@EVERY
def test_ecs_asks_for_the_health_as_the_image_does(choice: dict[str, str]) -> None:
    check = container(watcher_stack(choice))["HealthCheck"]
    asked = FINAL.last("HEALTHCHECK")
    assert check["Command"] == ["CMD", *re.findall(r'"([^"]+)"', asked.text)]
    for key, flag in (("Interval", "interval"), ("Timeout", "timeout"), ("StartPeriod", "start-period")):
        assert f"{check[key]}s" == asked.flags[flag]
    assert str(check["Retries"]) == asked.flags["retries"]


def test_a_task_has_longer_to_end_than_the_daemon_takes() -> None:
    example = (DEPLOY.parent / "config" / "watcher.yaml").read_bytes()
    config = parse(Document("watcher.yaml", example), {"AWS_REGION": "us-east-1"}, lambda _: None)
    timeout = float(container(watcher_stack())["StopTimeout"])
    assert config.shutdown_grace + CLOSE_SECONDS < timeout <= 120
    with pytest.raises(RefusedError, match="bounds"):
        watcher_stack(StopTimeout=str(int(config.shutdown_grace + CLOSE_SECONDS)))


@EVERY
def test_the_command_is_one_that_the_daemon_takes_and_names_where_the_alarms_look(choice: dict[str, str]) -> None:
    stack = watcher_stack(choice, MetricNamespace="Syncs")
    command = container(stack)["Command"]
    context = cli.make_context("watcher", list(command))
    name, run, rest = cli.resolve_command(context, list(command))
    assert run
    given = run.make_context(name, list(rest)).params
    assert (name, given["emf"], given["emf_service"]) == ("run", "Syncs", "watcher")
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        assert metric(alarm)["Namespace"] == "Syncs"
        assert metric(alarm)["Dimensions"] == [{"Name": "Service", "Value": "watcher"}]


@pytest.mark.parametrize(("mode", "buffer"), [("blocking", None), ("non-blocking", "25m")])
def test_how_logs_are_written_is_said_and_not_left_to_ecs(mode: str, buffer: str | None) -> None:
    log = container(watcher_stack(LogMode=mode))["LogConfiguration"]
    assert (log["LogDriver"], log["Options"]["mode"], log["Options"].get("max-buffer-size")) == (
        "awslogs",
        mode,
        buffer,
    )
    assert log["Options"]["awslogs-group"] == "<LogGroup>"
    assert "awslogs-create-group" not in log["Options"]


def test_logs_lose_nothing_unless_that_is_chosen() -> None:
    assert container(watcher_stack())["LogConfiguration"]["Options"]["mode"] == "blocking"


def test_logs_are_kept_for_a_time_and_encrypted_by_a_key_that_is_given() -> None:
    assert watcher_stack(LogRetention="90").properties("LogGroup") == {"RetentionInDays": "90"}
    assert watcher_stack(EVERYTHING).properties("LogGroup")["KmsKeyId"] == LOG_KEY


@pytest.mark.parametrize("key", ALARMED)
def test_each_alarm_looks_at_its_metric_and_tells_the_topic(key: str) -> None:
    choice = {**ON_FILE, "AlarmTopicArn": ALARMS}
    alarm = watcher_stack(choice).properties(key)
    assert (metric(alarm)["MetricName"], alarm["TreatMissingData"]) == ALARMED[key]
    assert metric(alarm)["MetricName"] in UNITS
    assert alarm["AlarmActions"] == [ALARMS]
    assert watcher_stack(ON_FILE).properties(key).get("AlarmActions") is None


def test_dead_letters_that_stay_do_not_keep_the_alarm_and_none_is_called_well_again() -> None:
    alarm = watcher_stack(EVERYTHING).properties("DeadLetterAlarm")
    assert (alarm["Metrics"][0]["Expression"], alarm["Metrics"][1]["Id"]) == ("DIFF(dead)", "dead")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert "OKActions" not in alarm


def test_silence_is_an_alarm_after_five_minutes() -> None:
    alarm = watcher_stack().properties("UnhealthyAlarm")
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 300
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)


def test_there_is_an_alarm_on_reloads_where_there_can_be_one() -> None:
    for choice in (ON_FILE, *IN_AWS):
        assert set(watcher_stack(choice).of_type("AWS::CloudWatch::Alarm")) == set(ALARMED)
    assert set(watcher_stack().of_type("AWS::CloudWatch::Alarm")) == set(ALARMED) - {"ReloadAlarm"}


def test_the_configuration_and_the_secrets_come_from_where_they_are_kept_and_stand_nowhere_in_the_task() -> None:
    made = container(watcher_stack(EVERYTHING))
    secrets = {secret["Name"]: secret["ValueFrom"] for secret in made["Secrets"]}
    assert secrets["WATCHER_CONFIG_YAML"] == CONFIG
    assert secrets["WEBHOOK_SECRET"] == SECRET
    assert set(secrets) == {"WATCHER_CONFIG_YAML", "WEBHOOK_SECRET", "EXTERNAL_ID", "SLACK_URL", "OPS_TOKEN"}
    assert [variable["Name"] for variable in made["Environment"]] == ["WATCHER_TABLE", "WATCHER_STATE"]
    assert container(watcher_stack(FEWEST))["Environment"] == []


def test_a_configuration_on_the_file_system_is_named_by_its_path() -> None:
    made = container(watcher_stack(ON_FILE))
    assert made["Environment"] == [{"Name": "WATCHER_CONFIG", "Value": "/var/lib/watcher/watcher.yaml"}]
    assert made["Secrets"] == []


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (IN_PARAMETER, f"ssm:{CONFIG}"),
        (IN_OBJECT, "s3://example-bucket/conf/watcher.yaml"),
        (IN_PROFILE, "appconfig:abc1234/def1234/ghi1234"),
    ],
)
def test_a_configuration_in_aws_is_named_as_the_daemon_reads_it(choice: dict[str, str], name: str) -> None:
    made = container(watcher_stack(choice))
    assert made["Environment"] == [{"Name": "WATCHER_CONFIG", "Value": name}]
    assert made["Secrets"] == []
    assert parse_remote(name).region in (None, REGION)


@pytest.mark.parametrize("missing", ["AccessPointId", "FileSystemSecurityGroup"])
def test_a_file_system_without_what_it_needs_is_refused(missing: str) -> None:
    with pytest.raises(RefusedError, match=missing):
        watcher_stack({**FEWEST, **{key: value for key, value in EFS.items() if key != missing}})


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"ConfigArn": ""}, "Give ConfigParameterArn, ConfigObjectArn"),
        ({"ConfigFile": "watcher.yaml", **EFS}, "Give only one of"),
        ({"ConfigParameterArn": CONFIG}, "Give only one of"),
        ({"ConfigParameterArn": SECRET}, "ConfigParameterArn is not of its pattern"),
        ({"ConfigObjectArn": "arn:aws:s3:::bucket/*"}, "ConfigObjectArn is not of its pattern"),
        ({"ConfigProfileArn": "appconfig:a/b/c"}, "ConfigProfileArn is not of its pattern"),
        ({"ConfigArn": "", "ConfigFile": "watcher.yaml"}, "give FileSystemId"),
        ({"Variable1": "WEBHOOK_SECRET=a-secret-in-plain-text"}, "Variable1 is not of its pattern"),
        ({"Variable1": f"lower={SECRET}"}, "Variable1 is not of its pattern"),
        ({"ConfigArn": f"{SECRET}:key::"}, "ConfigArn is not of its pattern"),
        ({"StateTable": "watcher-state"}, "StateTable is not of its pattern"),
        ({"StateTable": f"{TABLE}/index/other"}, "StateTable is not of its pattern"),
        ({"DesiredCount": "3", "StateTable": "make"}, "DesiredCount is none of its values"),
    ],
)
def test_choices_that_cannot_work_are_refused_with_their_reason(more: dict[str, str], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        watcher_stack(FEWEST, **more)


@EVERY
def test_nothing_gets_in(choice: dict[str, str]) -> None:
    stack = watcher_stack(choice)
    group = stack.properties("SecurityGroup")
    assert "SecurityGroupIngress" not in group
    into = [rule["GroupId"] for rule in stack.of_type("AWS::EC2::SecurityGroupIngress").values()]
    assert into == ([EFS["FileSystemSecurityGroup"]] if "FileSystemId" in choice else [])
    assert "PortMappings" not in container(stack)


def test_only_https_gets_out_unless_that_is_chosen() -> None:
    rules = watcher_stack(FEWEST).properties("SecurityGroup")["SecurityGroupEgress"]
    assert {(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in rules} == {("tcp", 443, 443)}
    rules = watcher_stack({**FEWEST, **EFS}).properties("SecurityGroup")["SecurityGroupEgress"]
    assert {(rule["FromPort"], rule.get("DestinationSecurityGroupId")) for rule in rules} == {
        (443, None),
        (2049, EFS["FileSystemSecurityGroup"]),
    }


def test_the_file_system_is_mounted_encrypted_and_as_the_tasks_role() -> None:
    (volume,) = watcher_stack(EVERYTHING).properties("TaskDefinition")["Volumes"]
    mounted = volume["EFSVolumeConfiguration"]
    assert mounted["TransitEncryption"] == "ENABLED"
    assert mounted["AuthorizationConfig"] == {"AccessPointId": EFS["AccessPointId"], "IAM": "ENABLED"}
    (volume,) = watcher_stack(FEWEST).properties("TaskDefinition")["Volumes"]
    assert volume == {"Name": "state"}


def test_every_parameter_is_offered_in_a_group_and_decides_something() -> None:
    for name in TEMPLATES:
        text = (DEPLOY / name).read_text(encoding="utf-8")
        written = template(name)
        groups = written["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        offered = [parameter for group in groups for parameter in group["Parameters"]]
        assert sorted(offered) == sorted(written["Parameters"])
        for parameter in offered:
            assert re.search(rf"!Ref {parameter}\b|\$\{{{parameter}\}}", text), parameter


def test_a_cluster_is_made_unless_one_is_named() -> None:
    assert watcher_stack(FEWEST).outputs["ClusterName"] == "<OwnedCluster>"
    stack = watcher_stack(EVERYTHING)
    assert stack.outputs["ClusterName"] == stack.properties("Service")["Cluster"] == "shared"
    assert not stack.of_type("AWS::ECS::Cluster")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_small_enough_to_be_sent_without_a_bucket(name: str) -> None:
    assert len((DEPLOY / name).read_bytes()) <= 51_200  # CloudFormation quotas, "Template body size in a request"
