"""How requests are checked by the service models, and how errors are encoded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from watcher.simulator.aws_json import ApiError, checked, encode, error

SQS, CONNECTIONS, PROTON = "sqs", "codeconnections", "proton"
SYNC = {"SyncType": "CFN_STACK_SYNC"}
URL = {"QueueUrl": "http://localhost/1/q"}


def test_members_that_are_null_or_unknown_are_left_out() -> None:
    body = json.dumps({"ResourceName": "a", "NextToken": None, "Other": 1, **SYNC}).encode()
    assert checked(CONNECTIONS, "GetSyncBlockerSummary", body) == {"ResourceName": "a", **SYNC}


@pytest.mark.parametrize(
    ("service", "operation", "request_", "code", "message"),
    [
        (CONNECTIONS, "ListConnections", [], "SerializationException", "Start of structure"),
        (CONNECTIONS, "ListConnections", {"MaxResults": 101}, "InvalidInputException", "value less than or equal"),
        (CONNECTIONS, "ListConnections", {"MaxResults": -1}, "InvalidInputException", "value greater than or equal"),
        (CONNECTIONS, "ListConnections", {"MaxResults": "1"}, "SerializationException", "STRING_VALUE"),
        (CONNECTIONS, "ListConnections", {"MaxResults": True}, "SerializationException", "BOOLEAN_VALUE"),
        (CONNECTIONS, "ListConnections", {"NextToken": ""}, "InvalidInputException", "length greater than"),
        (CONNECTIONS, "ListSyncConfigurations", SYNC, "InvalidInputException", "null at 'RepositoryLinkId'"),
        (
            CONNECTIONS,
            "ListSyncConfigurations",
            {"RepositoryLinkId": "x", "SyncType": "y"},
            "InvalidInputException",
            "2 validation errors",
        ),
        (PROTON, "ListServiceInstances", {"maxResults": 0}, "ValidationException", "greater than or equal to 1"),
        (PROTON, "ListServiceInstances", {"filters": "x"}, "SerializationException", "to a List"),
        (PROTON, "ListServiceInstances", {"filters": [{"key": "x"}]}, "ValidationException", "filters.1.member.key"),
        (PROTON, "ListServiceInstances", {"nextToken": "!"}, "ValidationException", "regular expression"),
        (SQS, "DeleteMessageBatch", {"Entries": [{}], **URL}, "InvalidParameterValueException", "Entries.1.member.Id"),
        (SQS, "SendMessage", {**URL, "MessageBody": 1}, "SerializationException", "NUMBER_VALUE"),
        (
            SQS,
            "SendMessage",
            {**URL, "MessageBody": "x", "MessageAttributes": {"a": {}}},
            "InvalidParameterValueException",
            "MessageAttributes.a.member.DataType",
        ),
    ],
)
def test_a_request_that_does_not_match_the_model_is_refused(
    service: str, operation: str, request_: Any, code: str, message: str
) -> None:
    with pytest.raises(ApiError) as raised:
        checked(service, operation, json.dumps(request_).encode())
    assert raised.value.code == code
    assert message in raised.value.message


@pytest.mark.parametrize("body", [b"Action=SendMessage", b"[" * 200_000, b'{"a":' * 200_000, b"\xff", b""])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match="SerializationException"):
        checked(SQS, "SendMessage", body)


@pytest.mark.parametrize(
    ("service", "code", "status", "type_", "headers"),
    [
        (CONNECTIONS, "ThrottlingException", 429, "com.amazonaws.codeconnections#ThrottlingException", {}),
        (
            "codestar-connections",
            "ThrottlingException",
            400,
            "com.amazonaws.codestar.connections#ThrottlingException",
            {},
        ),
        (PROTON, "InternalServerException", 500, "com.amazonaws.proton#InternalServerException", {}),
        (PROTON, "ExpiredTokenException", 400, "com.amazon.coral.service#ExpiredTokenException", {}),
        (
            SQS,
            "QueueDoesNotExist",
            400,
            "com.amazonaws.sqs#QueueDoesNotExist",
            {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
        ),
        (
            SQS,
            "MessageNotInflight",
            400,
            "com.amazonaws.sqs#MessageNotInflight",
            {"x-amzn-query-error": "AWS.SimpleQueueService.MessageNotInflight;Sender"},
        ),
    ],
)
def test_an_error_is_encoded_as_its_service_does(
    service: str, code: str, status: int, type_: str, headers: dict[str, str]
) -> None:
    found, body, sent = error(service, code, "why")
    assert (found, json.loads(body)["__type"], sent) == (status, type_, headers)
    assert "why" in json.loads(body).values()


def test_only_codeconnections_spells_members_in_pascal_case() -> None:
    fields = {"latestSync": {"events": [{"externalId": "x"}]}}
    assert json.loads(encode(PROTON, fields)) == fields
    pascal = {"LatestSync": {"Events": [{"ExternalId": "x"}]}}
    assert json.loads(encode("codestar-connections", fields)) == json.loads(encode(CONNECTIONS, fields)) == pascal
