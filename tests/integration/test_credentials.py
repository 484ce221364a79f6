"""Credentials that are missing or ask for a person's input: what is reported, and what goes on meanwhile."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import stat
import subprocess
import sys
import termios
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider
from structlog.testing import capture_logs

from tests.integration.conftest import FAST, a_config, running
from tests.support.processes import alive
from watcher.aws import credential_process, sessions
from watcher.aws.http_session import MAX_ANSWER_BYTES
from watcher.core.deliveries import Delivery
from watcher.core.events import trial_event
from watcher.core.settings import Account, RateLimit
from watcher.core.state_url import Address
from watcher.errors import SinkError, StoreError
from watcher.polling.check import check_all
from watcher.sources.codeconnections import stack
from watcher.stores.dynamodb.client import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.integration.conftest import Watch
    from tests.support.emulators import Faulty, Sinks
    from tests.support.simulator import Simulator

    AwsConfig = Callable[[str], None]

DEVICE = "arn:aws:iam::111122223333:mfa/me"
MFA = f"""
[profile team]
role_arn = arn:aws:iam::111122223333:role/team
source_profile = base
mfa_serial = {DEVICE}
[profile base]
aws_access_key_id = test
aws_secret_access_key = test-secret
"""
SSO = """
[profile sso]
sso_start_url = https://people.example.com
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = team
[profile sso-session]
sso_session = people
sso_account_id = 111122223333
sso_role_name = team
[sso-session people]
sso_start_url = https://people.example.com
sso_region = us-east-1
"""
PRINTED = '{"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test-secret"}'
TEAM = stack("team", "us-east-1", "network", **FAST)


@pytest.fixture
def aws_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AwsConfig:
    """Writes the AWS configuration file, which is not there before."""
    path = tmp_path / "aws-config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setattr(sessions, "RENEW_SECONDS", 0.2)

    def write(text: str) -> None:
        path.write_text(text)

    return write


def account(simulator: Simulator, name: str = "team", **more: Any) -> Account:
    more = {"profile": name, "rate_limit": RateLimit(100, 10)} | more
    return Account(name, ("us-east-1",), endpoint_url=simulator.url, **more)


@asynccontextmanager
async def watching(simulator: Simulator, **more: Any) -> AsyncIterator[Watch]:
    """A daemon that watches one stack with the profile `team`."""
    async with running(simulator, a_config(None, [TEAM], accounts={"team": account(simulator, **more)})) as watch:
        watch.show(TEAM, "SUCCEEDED", 1)
        yield watch


async def unreadable(watch: Watch, code: str, *parts: str) -> None:
    """Wait until the endpoint is unreadable for this reason."""
    await watch.until(lambda: len(watch.caught.events) == 1)
    (event,) = watch.caught.events
    assert event["type"] == "watcher.endpoint.unreadable"
    assert event["data"]["error"]["code"] == code
    for part in parts:
        assert part in event["data"]["error"]["message"]


def a_script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


# Prompts.


async def test_a_profile_that_asks_for_an_mfa_code_is_reported_and_all_else_goes_on(
    simulator: Simulator, aws_config: AwsConfig
) -> None:
    aws_config(MFA)
    well = stack("base", "us-east-1", "network", **FAST)
    accounts = {name: account(simulator, name) for name in ("team", "base")}
    config = a_config(None, [TEAM, well], accounts=accounts)
    with capture_logs() as logs:
        async with running(simulator, config) as watch:
            watch.show(well, "SUCCEEDED", 0)
            await unreadable(watch, "MFARequired", "profile 'team'", DEVICE)
            watch.show(well, "FAILED", 1)
            await watch.until(lambda: len(watch.caught.events) == 2)
            await watch.polls(20)
            assert watch.brief() == ["endpoint.unreadable team/us-east-1/codeconnections", f"sync.failed {well.id}"]
    assert not [line for line in logs if "exc_info" in line]
    findings = (await check_all(config, datetime.now(UTC))).findings
    assert [finding.error and finding.error.code for finding in findings] == ["MFARequired", None]


async def test_nothing_is_asked_on_a_terminal(simulator: Simulator, aws_config: AwsConfig, tmp_path: Path) -> None:
    """The command has a terminal, on which nothing is ever typed: it asks nothing, and ends."""
    helper = a_script(tmp_path / "helper", "echo 'code?' >/dev/tty && read code </dev/tty; read code; exit 3")
    aws_config(f"{MFA}[profile helped]\ncredential_process = {helper}\n")
    places = "\n".join(
        f"  - {{name: {name}, profile: {name}, regions: [us-east-1], endpoint_url: '{simulator.url}'}}"
        for name in ("team", "helped")
    )
    config = tmp_path / "watcher.yaml"
    stacks = "stacks: [{name: a, account: team}, {name: a, account: helped}]"
    config.write_text(f"retry: {{attempts: 1}}\naccounts:\n{places}\n{stacks}\n")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "watcher", "check", "--json", "--config", str(config)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    os.set_blocking(ours, False)
    with pytest.raises(OSError, match=r"Input/output error|temporarily unavailable"):
        os.read(ours, 1)
    os.close(ours)
    assert process.returncode == 3
    errors = [target["error"] for target in json.loads(out)["targets"]]
    assert DEVICE in str(errors[0])
    assert "ended with 3" in str(errors[1])


async def test_sinks_and_the_state_table_say_which_profile_asks(
    sinks: Sinks, simulator: Simulator, aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_config(MFA)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "team")
    sink = sinks("sqs", simulator.url, queue="https://sqs.us-east-1.amazonaws.com/111122223333/queue")
    event = trial_event("a-sink", datetime.now(UTC))
    with pytest.raises(SinkError, match=f"MFARequired: profile 'team' asks: .*{DEVICE}"):
        await sink.send([Delivery(1, "a-sink", event)])
    table = Caller(Address("a-table", "us-east-1", simulator.url))
    with pytest.raises(StoreError, match=f"MFARequired: profile 'team' asks: .*{DEVICE}") as raised:
        await table.call("GetItem", {"TableName": "a-table", "Key": {}})
    assert not raised.value.passing
    await table.close()


# What was wrong, and is corrected.


async def test_a_profile_that_is_added_later_is_found(simulator: Simulator, aws_config: AwsConfig) -> None:
    async with watching(simulator) as watch:
        await unreadable(
            watch, "ProfileNotFound", "team", f"AWS_CONFIG_FILE names {os.environ['AWS_CONFIG_FILE']}: No such"
        )
        aws_config("[profile team]\naws_access_key_id = test\naws_secret_access_key = test-secret\n")
        await watch.until(lambda: "endpoint.readable" in watch.kinds())


async def test_a_command_that_does_not_exist_is_named_and_found_when_it_is_corrected(
    simulator: Simulator, aws_config: AwsConfig, tmp_path: Path
) -> None:
    missing = tmp_path / "no-such-helper"
    aws_config(f"[profile team]\ncredential_process = {missing} --for us\n")
    async with watching(simulator) as watch:
        await unreadable(watch, "CredentialProcessFailed", "profile 'team'", str(missing), "No such file or directory")
        helper = a_script(tmp_path / "helper", f"echo '{PRINTED}'")
        aws_config(f"[profile team]\ncredential_process = {helper}\n")
        await watch.until(lambda: "endpoint.readable" in watch.kinds())


async def test_forgotten_credentials_are_loaded_again_at_the_next_call(
    simulator: Simulator, aws_config: AwsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also credentials that AWS accepts: the profile may have others by now."""
    monkeypatch.setattr(sessions, "RENEW_SECONDS", 3600.0)
    keys = "[profile team]\naws_access_key_id = {}\naws_secret_access_key = {}\n"
    aws_config(keys.format("test", "test-secret"))
    async with watching(simulator) as watch:
        await watch.polls(1)
        aws_config(keys.format("OTHER", "other-secret"))
        watch.app.sessions.drop()
        await watch.until(lambda: simulator.calls[-1].access_key == "OTHER")
        assert watch.caught.events == []


# credential_process.


HANG = {
    "it hangs": "sleep 600",
    "its child hangs": "sleep 600 & echo $! >> {pids}; exit 0",
    "it ignores signals": "trap '' TERM INT HUP; sleep 600 & echo $! >> {pids}; wait; sleep 600",
}


@pytest.mark.parametrize("how", HANG)
async def test_a_command_that_hangs_is_ended_with_all_its_children(
    simulator: Simulator, aws_config: AwsConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """In time, and with the daemon."""
    monkeypatch.setattr(credential_process, "PROCESS_SECONDS", 1.0)
    pids = tmp_path / "pids"
    pids.write_text("")
    helper = a_script(tmp_path / "helper", f"echo $$ >> {pids}\n{HANG[how].format(pids=pids)}")
    aws_config(f"[profile team]\ncredential_process = {helper}\n")
    async with watching(simulator) as watch:
        await unreadable(watch, "CredentialProcessFailed", "profile 'team'", str(helper), "did not end within 1s")
        monkeypatch.setattr(credential_process, "PROCESS_SECONDS", 600.0)
        tries = len(pids.read_text().split())
        await watch.until(lambda: len(pids.read_text().split()) > tries and len(alive(pids)) > 0)
        assert len(alive(pids)) <= 2, "one try at a time"
    await watch.until(lambda: alive(pids) == [])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'you are not\nlogged in' >&2; exit 4", "ended with 4: logged in"),
        ("yes", "printed more than"),
        ("echo not JSON", "could not be read: JSONDecodeError"),
        (r"printf '\377' >&2; exit 1", "ended with 1"),
        (f"echo '{PRINTED}' | sed 's/\"test\"/null/'", "returned could not be read: ValueError: the access key is not"),
        (f"echo '{PRINTED}' | sed 's/-secret/ö/'", "returned could not be read: ValueError: the secret key is not"),
        (
            f"echo '{PRINTED}' | sed 's/}}/, \"SessionToken\": \"a\\\\n\"}}/'",
            "returned could not be read: ValueError: the session token is not",
        ),
    ],
)
async def test_a_command_that_fails_says_so(
    simulator: Simulator, aws_config: AwsConfig, tmp_path: Path, script: str, said: str
) -> None:
    helper = a_script(tmp_path / "helper", script)
    aws_config(f"[profile team]\ncredential_process = {helper}\n")
    (finding,) = (
        await check_all(a_config(None, [TEAM], accounts={"team": account(simulator)}), datetime.now(UTC))
    ).findings
    assert "profile 'team'" in str(finding.error)
    assert said in str(finding.error)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{helper} --token open-Sesame-42 get", "'{helper}' ended with 1: no: --token [redacted] get"),
        ("{helper} --Password=open-Sesame-42", "ended with 1: no: --Password=[redacted]"),
        ("{helper} --profile production", "ended with 1: no: --profile production"),
        ("", "its credential_process '' cannot be started: it is not a command"),
        ("API_TOKEN=open-Sesame-42 {helper}", "its credential_process 'API_TOKEN=…' cannot be started: "),
    ],
)  # fmt: skip
async def test_a_secret_of_a_command_line_is_not_shown(
    simulator: Simulator, aws_config: AwsConfig, tmp_path: Path, command: str, said: str
) -> None:
    helper = a_script(tmp_path / "helper", 'echo "no: $*" >&2; exit 1')
    aws_config(f"[profile team]\ncredential_process = {command.format(helper=helper)}\n")
    (finding,) = (
        await check_all(a_config(None, [TEAM], accounts={"team": account(simulator)}), datetime.now(UTC))
    ).findings
    assert said.format(helper=helper) in str(finding.error)
    assert "Sesame" not in str(finding.error)


# Files.


MISSING, CA = "No such file or directory", "InvalidCABundle"
RETRIEVAL, SPECIAL = "CredentialRetrievalError", "not a regular file"


@pytest.mark.parametrize(
    ("variable", "file", "code", "said"),
    [
        ("AWS_CA_BUNDLE", "missing", CA, MISSING),
        ("AWS_CA_BUNDLE", "no-certificate", CA, "not a file of PEM certificates"),
        ("REQUESTS_CA_BUNDLE", "missing", CA, MISSING),
        ("AWS_CA_BUNDLE", "pipe", CA, SPECIAL),
        ("REQUESTS_CA_BUNDLE", "pipe", CA, SPECIAL),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "missing", RETRIEVAL, MISSING),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "pipe", RETRIEVAL, SPECIAL),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "binary", RETRIEVAL, "not a text in UTF-8"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "missing", RETRIEVAL, MISSING),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "pipe", RETRIEVAL, SPECIAL),
        ("AWS_CONFIG_FILE", "missing", "NoCredentials", MISSING),
        ("AWS_CONFIG_FILE", "pipe", "NoCredentials", SPECIAL),
        ("AWS_SHARED_CREDENTIALS_FILE", "missing", "NoCredentials", MISSING),
        ("AWS_SHARED_CREDENTIALS_FILE", "pipe", "NoCredentials", SPECIAL),
    ],
)
async def test_a_file_that_a_variable_names_is_named_with_it(
    simulator: Simulator, environment: pytest.MonkeyPatch, variable: str, file: str, code: str, said: str
) -> None:
    named = Path(os.environ["HERE"]) / file
    environment.setenv(variable, str(named))
    if code == CA:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
    if "CONTAINER" in variable:
        environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", simulator.url)
    config = a_config(None, [TEAM], accounts={"team": account(simulator, profile=None)})
    (finding,) = (await check_all(config, datetime.now(UTC))).findings
    assert finding.error is not None
    assert finding.error.code == code
    assert f"the variable {variable} names {named}: {said}" in finding.error.message


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Without keys, and with files that are faulty, a pipe, profiles and the tokens of SSO in the folder HERE."""
    (tmp_path / "no-certificate").write_text("no certificate")
    (tmp_path / "binary").write_bytes(b"\xd0\xff")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "config").write_text(MFA.replace("mfa_serial", "# mfa_serial") + SSO)
    monkeypatch.setattr(SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path))
    for name, expires in (("https://people.example.com", "2999-01-01T00:00:00Z"), ("people", "2001-01-01T00:00:00Z")):
        token = {"accessToken": "x", "expiresAt": expires, "refreshToken": "x", "clientId": "x", "clientSecret": "x"}
        token["registrationExpiresAt"] = "2999-01-01T00:00:00Z"
        (tmp_path / f"{sha1(name.encode(), usedforsecurity=False).hexdigest()}.json").write_text(json.dumps(token))
    monkeypatch.setenv("HERE", str(tmp_path))
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod")
    return monkeypatch


# Answers without an end.


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{url}"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "{here}/no-certificate", "AWS_ENDPOINT_URL_STS": "{url}"},
        {"AWS_PROFILE": "team", "AWS_CONFIG_FILE": "{here}/config", "AWS_ENDPOINT_URL_STS": "{url}"},
        {"AWS_PROFILE": "sso", "AWS_CONFIG_FILE": "{here}/config", "AWS_ENDPOINT_URL_SSO": "{url}"},
        {"AWS_PROFILE": "sso-session", "AWS_CONFIG_FILE": "{here}/config", "AWS_ENDPOINT_URL_SSO_OIDC": "{url}"},
    ],
)
async def test_an_answer_without_an_end_is_not_read_to_its_end(
    simulator: Simulator, faulty: Faulty, environment: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    sent = 0

    async def respond(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 100 * MAX_ANSWER_BYTES:
            await response.write(bytes(MAX_ANSWER_BYTES // 4))
            sent += MAX_ANSWER_BYTES // 4
        return response

    url = await faulty(respond)
    environment.setenv("AWS_EC2_METADATA_DISABLED", "false")
    for name, value in variables.items():
        environment.setenv(name, value.format(url=url, here=os.environ["HERE"]))
    config = a_config(None, [TEAM], accounts={"team": account(simulator, profile=None)})
    (finding,) = (await check_all(config, datetime.now(UTC))).findings
    assert f"longer than {MAX_ANSWER_BYTES} bytes" in str(finding.error)
    assert sent < 100 * MAX_ANSWER_BYTES


# Credentials that take time.


async def test_the_state_table_is_waited_for_while_its_credentials_are(
    faulty: Faulty, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=500)

    async def hang(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response(status=500)

    over = asyncio.Event()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for answer, said in ((refuse, "Received non 200 response 500"), (hang, "from the container's credentials server")):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", await faulty(answer))
        table = Caller(Address("a-table", "us-east-1", simulator.url))
        with pytest.raises(StoreError, match=f"GetItem could not be called: .*{said}") as raised:
            await table.call("GetItem", {"TableName": "a-table", "Key": {}}, within=20 if answer is refuse else 0.5)
        assert raised.value.passing
        await table.close()
    over.set()
