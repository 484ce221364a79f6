"""The simulator over a real socket, called by the real client: each fault has the effect that it should."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from structlog.testing import capture_logs

from tests.support.service_models import conforms
from tests.support.simulator import Simulator, attempt
from tests.support.waiting import PATIENCE, SLACK
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Target
from watcher.errors import ServiceUnreachable, UsageError
from watcher.simulator import aws_json
from watcher.simulator.faults import FAULTS, HUGE_BYTES
from watcher.simulator.scenario import Role, Scenario
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SESSION = get_session()
REGION = "us-east-1"
WEB = template("default", REGION, "SERVICE", "web", "2")
NETWORK = stack("default", REGION, "network")
T = 1_795_420_800.125


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running(Scenario("test")) as simulator:
        yield simulator


@contextlib.asynccontextmanager
async def running(scenario: Scenario) -> AsyncIterator[Simulator]:
    simulator = Simulator(scenario)
    await simulator.start()
    for target in (WEB, NETWORK):
        simulator.world.show(target, attempt(target, SUCCEEDED, T, "a1" * 20, events=("began", "ended")))
    try:
        yield simulator
    finally:
        await simulator.stop()


@contextlib.asynccontextmanager
async def client(
    simulator: Simulator,
    service: str,
    *,
    keys: tuple[str, ...] = ("test", "test"),
    region: str = REGION,
    read_timeout: float = PATIENCE,
) -> AsyncIterator[Any]:
    config = AioConfig(retries={"total_max_attempts": 1}, read_timeout=read_timeout, connect_timeout=PATIENCE)
    credentials = dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), keys, strict=False))
    async with SESSION.create_client(
        service,
        region_name=region,
        endpoint_url=simulator.url,
        config=config,
        **credentials,
    ) as made:
        yield made


async def poll(simulator: Simulator, target: Target, **how: Any) -> dict[str, Any]:
    async with client(simulator, target.api, **how) as made:
        if target.api == "proton":
            parts = dict(target.identity)
            answer: dict[str, Any] = await made.get_template_sync_status(
                templateName=parts["name"], templateType=parts["type"], templateVersion=parts["version"]
            )
        else:
            answer = await made.get_resource_sync_status(ResourceName=target.name, SyncType="CFN_STACK_SYNC")
        return answer


def signed(url: str, target: str, body: bytes, *, service: str = "proton", **headers: str) -> dict[str, str]:
    request = AWSRequest("POST", url, {"X-Amz-Target": target, "Content-Type": aws_json.CONTENT_TYPE} | headers, body)
    SigV4Auth(Credentials("test", "test"), service, REGION).add_auth(request)
    return dict(request.headers.items())


async def post(url: str, headers: dict[str, str], body: bytes = b"{}") -> tuple[int, Any, bytes]:
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status, response.headers, await response.read()


PROTON = "AwsProton20200720.GetTemplateSyncStatus"
ASKS_WEB = json.dumps({"templateName": "web", "templateType": "SERVICE", "templateVersion": "2"}).encode()


async def test_both_services_answer_in_their_own_spelling(simulator: Simulator) -> None:
    proton, codeconnections = await poll(simulator, WEB), await poll(simulator, NETWORK)
    assert proton["latestSync"]["status"] == codeconnections["LatestSync"]["Status"] == SUCCEEDED
    assert proton["latestSync"]["startedAt"].timestamp() == T
    assert codeconnections["LatestSync"]["StartedAt"].timestamp() == T
    assert proton["latestSync"]["target"] == "web:2"
    assert codeconnections["LatestSuccessfulSync"]["TargetRevision"]["OwnerId"] == "example-org"
    assert [event["Event"] for event in codeconnections["LatestSync"]["Events"]] == ["began", "ended"]
    assert [(call.api, call.region, call.target, call.answer) for call in simulator.calls] == [
        ("proton", REGION, "template/SERVICE/web/2", SUCCEEDED),
        ("codeconnections", REGION, "stack/network", SUCCEEDED),
    ]


@pytest.mark.parametrize("target", [WEB, NETWORK], ids=lambda target: target.kind.name)
async def test_answers_have_the_models_shape(simulator: Simulator, target: Target) -> None:
    simulator.world.show(target, attempt(target, FAILED, T + 60, events=("Failed to parse",)))
    reply = simulator.world.poll(target)
    operation = aws_json.model(target.api).operation_model(target.kind.operation)
    conforms(operation.output_shape, json.loads(reply.body))
    assert len(json.loads(reply.body)) == 3


async def test_the_same_moment_gives_the_same_bytes(simulator: Simulator) -> None:
    url = simulator.url
    bodies = {(await post(url, signed(url, PROTON, ASKS_WEB), ASKS_WEB))[2] for _ in range(3)}
    assert len(bodies) == 1


async def test_the_last_success_is_kept_when_a_later_attempt_fails(simulator: Simulator) -> None:
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 60, "b2" * 20))
    answer = await poll(simulator, NETWORK)
    assert answer["LatestSync"]["Status"] == FAILED
    assert answer["LatestSuccessfulSync"]["TargetRevision"]["Sha"] == "a1" * 20


async def test_a_target_that_never_synced_has_no_latest_sync(simulator: Simulator) -> None:
    simulator.world.show(WEB, None)
    answer = await poll(simulator, WEB)
    assert "latestSync" not in answer
    assert answer["desiredState"]["branch"] == "main"


async def test_a_target_that_is_not_in_the_world_is_not_found(simulator: Simulator) -> None:
    simulator.world.remove(NETWORK)
    with pytest.raises(ClientError) as raised:
        await poll(simulator, NETWORK)
    assert error_of(raised) == (404, "ResourceNotFoundException")


def error_of(raised: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


REFUSED = {
    "server_error": ((500, "InternalServerException"), (503, "InternalServerException")),
    "throttling": ((400, "ThrottlingException"), (429, "ThrottlingException")),
    "access_denied": ((400, "AccessDeniedException"), (403, "AccessDeniedException")),
    "not_found": ((400, "ResourceNotFoundException"), (404, "ResourceNotFoundException")),
    "validation": ((400, "ValidationException"), (400, "InvalidInputException")),
    "expired_credentials": ((400, "ExpiredTokenException"),) * 2,
    "skewed_clock": ((400, "InvalidSignatureException"),) * 2,
    "http_500": ((500, "500"),) * 2,
    "http_502": ((502, "502"),) * 2,
    "http_503": ((503, "503"),) * 2,
    "http_429": ((429, "429"),) * 2,
    "retired": ((410, "410"),) * 2,
}
NOTHING_READ = ("html", "empty", "not_an_object", "half_json")
BROKEN = {
    "cut": ConnectionClosedError,
    "reset": EndpointConnectionError,
    "hang": ReadTimeoutError,
}
EDITED = ("huge", "missing_field", "wrong_type", "unknown_status", "drip")


def test_every_fault_of_the_table_is_tested_here() -> None:
    assert sorted(FAULTS) == sorted([*REFUSED, *NOTHING_READ, *BROKEN, *EDITED])


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_is_the_clients_own_error(simulator: Simulator, name: str) -> None:
    simulator.world.fault(None, name)
    for target, expected in zip((WEB, NETWORK), REFUSED[name], strict=True):
        with pytest.raises(ClientError) as raised:
            await poll(simulator, target)
        assert error_of(raised) == expected
        assert raised.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]


@pytest.mark.parametrize("name", NOTHING_READ)
async def test_a_200_that_is_no_answer_is_an_empty_success_to_the_client(simulator: Simulator, name: str) -> None:
    simulator.world.fault(WEB, name, calls=1)
    if name == "not_an_object":  # a list makes botocore's parser stumble
        with pytest.raises((AttributeError, TypeError)):
            await poll(simulator, WEB)
    else:
        assert set(await poll(simulator, WEB)) == {"ResponseMetadata"}
    assert "latestSync" in await poll(simulator, WEB), "the fault was for one call"


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_connection_is_the_clients_own_error(simulator: Simulator, name: str) -> None:
    simulator.world.fault(NETWORK, name, calls=1)
    with pytest.raises(BROKEN[name]):
        await poll(simulator, NETWORK, read_timeout=0.5 if name == "hang" else PATIENCE)
    assert simulator.calls[-1].answer == name
    assert "LatestSync" in await poll(simulator, NETWORK)


async def test_a_dripping_answer_never_trips_the_read_timeout(simulator: Simulator) -> None:
    simulator.world.fault(WEB, "drip")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.2):  # more than twice the read timeout
            await poll(simulator, WEB, read_timeout=0.5)


async def test_an_answer_of_over_a_mebibyte_is_still_the_answer(simulator: Simulator) -> None:
    simulator.world.fault(WEB, "huge")
    answer = await poll(simulator, WEB)
    assert int(answer["ResponseMetadata"]["HTTPHeaders"]["content-length"]) == HUGE_BYTES
    assert answer["latestSync"]["status"] == SUCCEEDED


async def test_a_field_can_be_missing(simulator: Simulator) -> None:
    simulator.world.fault(None, "missing_field", at="latestSync.targetRevision.sha")
    assert "Sha" not in (await poll(simulator, NETWORK))["LatestSync"]["TargetRevision"]
    assert "sha" not in (await poll(simulator, WEB))["latestSync"]["targetRevision"]


async def test_a_field_can_have_another_type(simulator: Simulator) -> None:
    simulator.world.fault(NETWORK, "wrong_type", at="latestSync.status")
    assert (await poll(simulator, NETWORK))["LatestSync"]["Status"] == 17


async def test_a_status_can_be_one_that_nobody_knows(simulator: Simulator) -> None:
    simulator.world.fault(WEB, "unknown_status")
    assert (await poll(simulator, WEB))["latestSync"]["status"] == "PAUSED_BY_MAINTENANCE"


@pytest.mark.parametrize(
    "body",
    [gzip.compress(bytes(HUGE_BYTES)), gzip.compress(ASKS_WEB), b"not compressed"],
    ids=["huge", "right", "not compressed"],
)
async def test_a_body_is_not_inflated(simulator: Simulator, body: bytes) -> None:
    """A small one could hold the loop for seconds, and a wrong one was answered with 500."""
    headers = signed(simulator.url, PROTON, body, **{"Content-Encoding": "gzip"})
    with capture_logs() as logs:
        status, _, said = await post(simulator.url, headers, body)
    assert (status, json.loads(said)["__type"].partition("#")[2]) == (400, "SerializationException")
    assert not logs


async def test_stopping_ends_hanging_and_dripping_connections(simulator: Simulator) -> None:
    simulator.world.fault(WEB, "hang")
    simulator.world.fault(NETWORK, "drip")
    both = asyncio.Event()
    simulator.on_call = lambda _: both.set() if len(simulator.calls) == 2 else None
    polls = [asyncio.create_task(poll(simulator, target)) for target in (WEB, NETWORK)]
    await both.wait()
    async with asyncio.timeout(SLACK):
        await simulator.stop()
    assert all(isinstance(outcome, Exception) for outcome in await asyncio.gather(*polls, return_exceptions=True))


async def test_the_world_goes_on_after_a_stop_and_a_start(simulator: Simulator) -> None:
    await simulator.stop()
    await simulator.start()
    assert (await poll(simulator, WEB))["latestSync"]["startedAt"].timestamp() == T


async def test_calls_above_the_rate_are_throttled_for_each_region_and_api(simulator: Simulator) -> None:
    simulator.world.limit(0.1, burst=2)
    await poll(simulator, WEB)
    await poll(simulator, WEB)
    with pytest.raises(ClientError) as raised:
        await poll(simulator, WEB)
    assert error_of(raised) == (400, "ThrottlingException")
    assert "LatestSync" in await poll(simulator, NETWORK)


async def test_the_hook_is_told_each_call() -> None:
    told: list[str] = []
    simulator = Simulator(Scenario("test"), on_call=lambda call: told.append(f"{call.target} {call.answer}"))
    await simulator.start()
    simulator.world.show(WEB, attempt(WEB, IN_PROGRESS, T))
    await poll(simulator, WEB)
    await simulator.stop()
    assert told == ["template/SERVICE/web/2 IN_PROGRESS"]


async def test_a_region_has_a_world_of_its_own(simulator: Simulator) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        await poll(simulator, WEB, region="eu-west-1")


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"templateName": None}, "ValidationException", "Value null at 'templateName'"),
        ({"templateName": "-web"}, "ValidationException", "regular expression pattern"),
        ({"templateName": "web\n"}, "ValidationException", "regular expression pattern"),
        ({"templateName": "w" * 101}, "ValidationException", "less than or equal to 100"),
        ({"templateType": "LAMBDA"}, "ValidationException", r"enum value set: \[ENVIRONMENT, SERVICE\]"),
        ({"templateVersion": "01", "templateType": "x"}, "ValidationException", "2 validation errors detected"),
        ({"templateVersion": 2}, "SerializationException", "NUMBER_VALUE"),
    ],
)
async def test_a_request_is_checked_by_the_model(
    simulator: Simulator, changes: dict[str, Any], code: str, message: str
) -> None:
    url = simulator.url
    body = json.dumps(json.loads(ASKS_WEB) | changes).encode()
    status, headers, answer = await post(url, signed(url, PROTON, body), body)
    told = json.loads(answer)
    assert (status, headers["Content-Type"]) == (400, aws_json.CONTENT_TYPE)
    assert told["__type"].endswith(f"#{code}")
    assert re.search(message, told["message"])
    assert headers["Date"]


async def test_codeconnections_spells_its_errors_its_own_way(simulator: Simulator) -> None:
    url = simulator.url
    target = "com.amazonaws.codeconnections.CodeConnections_20231201.GetResourceSyncStatus"
    headers = signed(url, target, b"{}", service="codeconnections")
    _, _, answer = await post(url + "/any/path", signed(url + "/any/path", target, b"{}", service="codeconnections"))
    assert json.loads(answer)["__type"] == "com.amazonaws.codeconnections#InvalidInputException"
    assert json.loads(answer)["Message"].startswith("2 validation errors detected")
    status, _, answer = await post(url, headers | {"X-Amz-Target": target + "s"})
    assert (status, json.loads(answer)["__type"].rpartition("#")[2]) == (400, "UnknownOperationException")


FULL = "com.amazonaws.codeconnections.CodeConnections_20231201"
OLDER = "com.amazonaws.codestar.connections.CodeStar_connections_20191201"


@pytest.mark.parametrize(
    ("prefix", "service", "namespace"),
    [
        (FULL, "codeconnections", "com.amazonaws.codeconnections"),
        ("CodeConnections_20231201", "codeconnections", "com.amazonaws.codeconnections"),  # the SDK for JavaScript
        (OLDER, "codestar-connections", "com.amazonaws.codestar.connections"),
        ("CodeStar_connections_20191201", "codestar-connections", "com.amazonaws.codestar.connections"),
    ],
)
async def test_codeconnections_answers_by_each_of_its_names(
    simulator: Simulator, prefix: str, service: str, namespace: str
) -> None:
    target = f"{prefix}.GetResourceSyncStatus"

    async def ask(name: str, signed_for: str = service) -> tuple[int, dict[str, Any]]:
        body = json.dumps({"ResourceName": name, "SyncType": "CFN_STACK_SYNC"}).encode()
        status, _, answer = await post(simulator.url, signed(simulator.url, target, body, service=signed_for), body)
        return status, json.loads(answer)

    status, answer = await ask("network")
    assert (status, answer["LatestSync"]["Status"]) == (200, SUCCEEDED)
    for name, code in (("not-there", "ResourceNotFoundException"), ("-", "InvalidInputException")):
        _, answer = await ask(name)
        assert answer["__type"] == f"{namespace}#{code}"
    _, answer = await ask("network", "proton")
    assert f"correct service: '{service}'" in answer["message"]
    assert {call.api for call in simulator.calls} == {"codeconnections"}


async def test_the_older_names_client_gets_the_same_answers_and_errors(simulator: Simulator) -> None:
    async with client(simulator, "codestar-connections") as made:
        answer = await made.get_resource_sync_status(ResourceName="network", SyncType="CFN_STACK_SYNC")
        assert answer["LatestSync"]["Status"] == SUCCEEDED
        with pytest.raises(made.exceptions.ResourceNotFoundException):
            await made.get_resource_sync_status(ResourceName="not-there", SyncType="CFN_STACK_SYNC")
        simulator.world.fault(NETWORK, "throttling")
        with pytest.raises(made.exceptions.ThrottlingException) as raised:
            await made.get_resource_sync_status(ResourceName="network", SyncType="CFN_STACK_SYNC")
        assert error_of(raised) == (400, "ThrottlingException")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Authorization": ""}, "MissingAuthenticationTokenException"),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=test"}, "IncompleteSignatureException"),
        ({"X-Amz-Date": ""}, "IncompleteSignatureException"),
        ({"X-Amz-Date": "20200101T000000Z"}, "InvalidSignatureException"),
    ],
)
async def test_a_request_has_to_be_signed(simulator: Simulator, change: dict[str, str], code: str) -> None:
    url = simulator.url
    _, _, answer = await post(url, signed(url, PROTON, ASKS_WEB) | change, ASKS_WEB)
    assert json.loads(answer)["__type"] == f"com.amazon.coral.service#{code}"


async def test_a_signature_is_for_one_service(simulator: Simulator) -> None:
    url = simulator.url
    _, _, answer = await post(url, signed(url, PROTON, ASKS_WEB, service="codeconnections"), ASKS_WEB)
    assert "correct service: 'proton'" in json.loads(answer)["message"]


async def test_a_signature_lasts_five_minutes(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + 301)
    with pytest.raises(ClientError, match=r"Signature expired: \S+ is now earlier than"):
        async with client(simulator, "proton") as made:
            await made.get_template_sync_status(templateName="web", templateType="SERVICE", templateVersion="2")


async def test_a_known_key_needs_its_secret() -> None:
    async with running(Scenario("test", keys={"AKIAKNOWN": "right"})) as simulator:
        assert await poll(simulator, WEB, keys=("AKIAKNOWN", "right"))
        assert await poll(simulator, NETWORK, keys=("AKIAKNOWN", "right"))
        with pytest.raises(ClientError) as raised:
            await poll(simulator, WEB, keys=("AKIAKNOWN", "wrong"))
        assert error_of(raised) == (400, "InvalidSignatureException")


async def test_cbor_is_refused_loudly(simulator: Simulator) -> None:
    url = simulator.url
    for path, headers in (("/", {"smithy-protocol": "rpc-v2-cbor"}), ("/service/X/operation/Y", {})):
        with capture_logs() as logs:
            status, _, body = await post(url + path, headers, b"\xa0")
        assert [(line["event"], line["log_level"]) for line in logs] == [("simulator.cbor_refused", "warning")]
        assert status == 415
        assert "JSON 1.0 only" in json.loads(body)["message"]


ROLE = "arn:aws:iam::111122223333:role/watcher"


async def test_an_assumed_roles_credentials_work_until_they_expire() -> None:
    async with running(Scenario("test", roles=(Role(ROLE, "ours"),))) as simulator:
        async with client(simulator, "sts") as sts:
            answer = await sts.assume_role(RoleArn=ROLE, RoleSessionName="watcher", ExternalId="ours")
            with pytest.raises(ClientError, match="AccessDenied"):
                await sts.assume_role(RoleArn=ROLE, RoleSessionName="watcher", ExternalId="theirs")
            with pytest.raises(ClientError, match="AccessDenied"):
                await sts.assume_role(RoleArn=ROLE + "2", RoleSessionName="watcher", ExternalId="ours")
        given = answer["Credentials"]
        keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::111122223333:assumed-role/watcher/watcher"
        assert await poll(simulator, WEB, keys=keys)
        assert simulator.calls[-1].access_key == given["AccessKeyId"]
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            await poll(simulator, WEB, keys=(*keys[:2], "another token"))
        issued = simulator._keyring.issued
        assert given["Expiration"].timestamp() == pytest.approx(issued[keys[0]].expires, abs=1)
        issued[keys[0]] = replace(issued[keys[0]], expires=time.time() - 1)
        with pytest.raises(ClientError, match="ExpiredTokenException"):
            await poll(simulator, WEB, keys=keys)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])  # noqa: S104  it is refused
async def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(UsageError, match="loopback only"):
        await Simulator(Scenario("test")).start(host)


async def test_a_port_in_use_is_told(simulator: Simulator) -> None:
    port = int(simulator.url.rpartition(":")[2])
    with pytest.raises(ServiceUnreachable, match=f"cannot listen on 127.0.0.1:{port}"):
        await Simulator(Scenario("test")).start(port=port)
