"""Choices people make of the parameters in `deploy/cloudformation.yaml`: the fewest, everything, EFS, a table."""

from __future__ import annotations

from tests.unit.deploy.stacks import ACCOUNT, REGION, Stack

TEMPLATES = ("cloudformation.yaml", "member-role.yaml", "hints.yaml", "member-hints.yaml")
HERE = f"{REGION}:{ACCOUNT}"
CONFIG = f"arn:aws:ssm:{HERE}:parameter/watcher/config"
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:watcher-webhook-AbCdEf"
EXTERNAL_ID = f"arn:aws:ssm:{HERE}:parameter/watcher/external-id"
REPOSITORY = f"arn:aws:ecr:{HERE}:repository/watcher"
ALARMS = f"arn:aws:sns:{HERE}:alarms"
BUSES = (f"arn:aws:events:{HERE}:event-bus/default", f"arn:aws:events:{HERE}:event-bus/syncs")
TOPIC = f"arn:aws:sns:{HERE}:syncs"
QUEUE = f"arn:aws:sqs:{HERE}:syncs.fifo"
HINTS = f"arn:aws:sqs:{HERE}:git-sync"
MEMBERS = ("arn:aws:iam::222233334444:role/watcher", "arn:aws:iam::333344445555:role/watcher")
TABLE = f"arn:aws:dynamodb:{HERE}:table/watcher-state"
CONFIG_KEY, SINK_KEY, LOG_KEY = (f"arn:aws:kms:{HERE}:key/{name}" for name in ("config", "sinks", "logs"))

FEWEST = {
    "Image": "public.ecr.aws/example/watcher:1",
    "Vpc": "vpc-1",
    "Subnets": "subnet-1,subnet-2",
    "ConfigArn": CONFIG,
}
EFS = {"FileSystemId": "fs-0123abcd", "AccessPointId": "fsap-0123abcd", "FileSystemSecurityGroup": "sg-0123abcd"}
EVERYTHING = {
    **FEWEST,
    **EFS,
    "StateTable": TABLE,
    "DesiredCount": "2",
    "RepositoryArn": REPOSITORY,
    "Variable1": f"WEBHOOK_SECRET={SECRET}",
    "Variable2": f"EXTERNAL_ID={EXTERNAL_ID}",
    "Variable3": f"SLACK_URL=arn:aws:ssm:{HERE}:parameter/watcher/slack",
    "Variable4": f"OPS_TOKEN=arn:aws:ssm:{HERE}:parameter/watcher/token",
    "ConfigKeyArn": CONFIG_KEY,
    "MemberRoleArns": ",".join(MEMBERS),
    "HintQueueArns": HINTS,
    "EventBusArns": ",".join(BUSES),
    "TopicArns": TOPIC,
    "QueueArns": QUEUE,
    "SinkKeyArn": SINK_KEY,
    "LogKeyArn": LOG_KEY,
    "LogMode": "non-blocking",
    "AlarmTopicArn": ALARMS,
    "Cluster": "shared",
    "AssignPublicIp": "ENABLED",
    "Egress": "any",
}
ON_FILE = {**{key: value for key, value in FEWEST.items() if key != "ConfigArn"}, **EFS, "ConfigFile": "watcher.yaml"}
MAKING = {**FEWEST, "StateTable": "make"}
OBJECT = "arn:aws:s3:::example-bucket/conf/watcher.yaml"
PROFILE = f"arn:aws:appconfig:{HERE}:application/abc1234/environment/def1234/configuration/ghi1234"
_WITHOUT_CONFIG = {key: value for key, value in FEWEST.items() if key != "ConfigArn"}
IN_PARAMETER = {**_WITHOUT_CONFIG, "ConfigParameterArn": CONFIG}
IN_OBJECT = {**_WITHOUT_CONFIG, "ConfigObjectArn": OBJECT}
IN_PROFILE = {**_WITHOUT_CONFIG, "ConfigProfileArn": PROFILE}
IN_AWS = (IN_PARAMETER, IN_OBJECT, IN_PROFILE)
"""The choices whose configuration the daemon itself reads from AWS."""
CHOICES = {
    "the fewest": FEWEST,
    "everything": EVERYTHING,
    "a file on EFS": ON_FILE,
    "a table that is made": MAKING,
    "a parameter": IN_PARAMETER,
    "an object": {**IN_OBJECT, "ConfigKeyArn": CONFIG_KEY},
    "a profile": IN_PROFILE,
}


def watcher_stack(choice: dict[str, str] = FEWEST, **more: str) -> Stack:
    """The daemon's stack."""
    return Stack("cloudformation.yaml", **{**choice, **more})


def member_stack() -> Stack:
    """The stack of an account that is watched."""
    given = {"WatcherRoleArn": f"arn:aws:iam::{ACCOUNT}:role/watcher-TaskRole-1", "ExternalId": "an-external-id-of-32"}
    return Stack("member-role.yaml", **given)


def hints_stack(**more: str) -> Stack:
    """The stack of the queue of hints."""
    return Stack("hints.yaml", **more)


def member_hints_stack() -> Stack:
    """The stack of an account that forwards its events."""
    return Stack("member-hints.yaml", BusArn=f"arn:aws:events:{HERE}:event-bus/hints-git-sync")
