"""A configuration in AWS: read from an emulator, and from servers that fail as AWS can."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.config_server import NAMES, ConfigServer
from tests.support.emulators import KEYS, REGION
from tests.support.tasks import running
from tests.support.waiting import until
from watcher.app import config_copies
from watcher.app.config_copies import ConfigKeeper
from watcher.config.document import MAX_BYTES, Document
from watcher.config.remote import source as remote
from watcher.config.remote.source import RemoteSource, remote_source
from watcher.errors import ConfigError, ServiceUnreachable
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.emulators import Emulator

    Sources = Callable[[str, str], RemoteSource]

FIRST, SECOND = "stacks: [{name: ä}]\n", "stacks: [{name: b}]\n"


@pytest.fixture
async def sources(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sources]:
    """Makes sources of names at an address, with the credentials of the environment, and closes them."""
    made: list[RemoteSource] = []
    for variable, value in {**KEYS, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(variable.upper(), value)
    monkeypatch.setattr(remote, "RETRY_SECONDS", 0.01)

    def make(name: str, url: str) -> RemoteSource:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        made.append(remote_source(name))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_a_parameter_is_read_by_name_version_and_label_also_a_secure_one(
    ministack: Emulator, sources: Sources
) -> None:
    ssm, name = ministack.client("ssm"), f"/{ministack.name()}/config"
    ssm.put_parameter(Name=name, Value=FIRST, Type="SecureString")
    newest, first = sources(f"ssm:{name}", ministack.url), sources(f"ssm:{name}:1", ministack.url)
    assert await newest.read() == Document(f"ssm:{name}", FIRST.encode())
    before = await newest.read()
    assert await newest.read() is before
    ssm.put_parameter(Name=name, Value=SECOND, Type="SecureString", Overwrite=True)
    ssm.label_parameter_version(Name=name, ParameterVersion=1, Labels=["live"])
    live = sources(f"ssm:{name}:live", ministack.url)
    assert [(await each.read()).text.decode() for each in (newest, first, live)] == [SECOND, FIRST, FIRST]
    ssm.label_parameter_version(Name=name, ParameterVersion=2, Labels=["live"])
    assert (await live.read()).text.decode() == SECOND


async def test_an_object_is_sent_again_only_with_another_etag(ministack: Emulator, sources: Sources) -> None:
    s3, bucket = ministack.client("s3"), ministack.name()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="conf/watcher.yaml", Body=FIRST.encode())
    source = sources(f"s3://{bucket}/conf/watcher.yaml", ministack.url)
    before = await source.read()
    assert before.text.decode() == FIRST
    assert await source.read() is before
    s3.put_object(Bucket=bucket, Key="conf/watcher.yaml", Body=SECOND.encode())
    assert (await source.read()).text.decode() == SECOND
    s3.put_object(Bucket=bucket, Key="conf/watcher.yaml", Body=b"#" * MAX_BYTES)
    assert len((await source.read()).text) == MAX_BYTES
    s3.put_object(Bucket=bucket, Key="conf/watcher.yaml", Body=b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match=r"^s3://.*/conf/watcher.yaml:1:1: larger than 4 MiB"):
        await source.read()


def deployed(client: Any, application: str, profile: str, environment: str, text: str) -> None:
    """Make `text` what a profile has in an environment, at once."""
    strategy = client.create_deployment_strategy(
        Name="at once", DeploymentDurationInMinutes=0, GrowthFactor=100.0, FinalBakeTimeInMinutes=0, ReplicateTo="NONE"
    )["Id"]
    version = client.create_hosted_configuration_version(
        ApplicationId=application, ConfigurationProfileId=profile, Content=text.encode(), ContentType="text/yaml"
    )["VersionNumber"]
    client.start_deployment(
        ApplicationId=application, EnvironmentId=environment, ConfigurationProfileId=profile,
        ConfigurationVersion=str(version), DeploymentStrategyId=strategy,
    )  # fmt: skip


async def test_a_profile_of_appconfig_is_read_by_a_session_and_begun_again_where_its_token_was_lost(
    ministack: Emulator, sources: Sources
) -> None:
    client, name = ministack.client("appconfig"), ministack.name()
    application = client.create_application(Name=name)["Id"]
    environment = client.create_environment(ApplicationId=application, Name="prod")["Id"]
    profile = client.create_configuration_profile(ApplicationId=application, Name="main", LocationUri="hosted")["Id"]
    deployed(client, application, profile, environment, FIRST)
    source = sources(f"appconfig:{name}/prod/main", ministack.url)
    before = await source.read()
    assert before.text.decode() == FIRST
    assert await source.read() is before
    assert source.pause == 60.0
    source.forget()
    assert await source.read() == before
    deployed(client, application, profile, environment, SECOND)
    assert (await source.read()).text.decode() == SECOND


@pytest.mark.parametrize("service", ["ssm", "s3"])
async def test_what_does_not_exist_is_a_fault_of_the_configuration(
    ministack: Emulator, sources: Sources, service: str
) -> None:
    missing = NAMES[service].replace("bucket", ministack.name()).replace("/watcher/config", "/nowhere")
    with pytest.raises(ConfigError, match=rf"^{missing}:1:1: there is no such (parameter|bucket) in us-east-1"):
        await sources(missing, ministack.url).read()


@pytest.fixture
async def server() -> AsyncIterator[ConfigServer]:
    made = ConfigServer(FIRST)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize("outage", ["refused", "hangs", "denied", "throttled", "malformed"])
async def test_an_outage_is_an_error_that_names_the_place_and_what_must_be_allowed_until_it_is_over(
    sources: Sources, server: ConfigServer, monkeypatch: pytest.MonkeyPatch, service: str, outage: str
) -> None:
    source = sources(NAMES[service], server.url)
    before = await source.read()
    calls, server.outage = server.calls, outage
    if outage == "refused":
        await server.stop()
    if outage == "hangs":
        monkeypatch.setattr(remote, "CALL_SECONDS", 0.2)
    allowed = {"ssm": "ssm:GetParameter", "s3": "s3:GetObject", "appconfigdata": "appconfig:StartConfigurationSession"}
    with pytest.raises(
        ServiceUnreachable, match=f"^{NAMES[service]} cannot be read in us-east-1: .* allow {allowed[service]}"
    ):
        await source.read()
    assert server.calls - calls == {"refused": 0, "denied": 1}.get(outage, remote.TRIES)
    if outage != "refused":
        server.outage = ""
        monkeypatch.setattr(remote, "CALL_SECONDS", 10.0)
        assert await source.read() == before


REDIRECTED = "the answer is a redirect (307) to elsewhere.example.com"


@pytest.mark.parametrize(
    ("service", "headers", "said", "calls"),
    [
        ("ssm", {}, f"{REDIRECTED}; check", 1),
        ("appconfigdata", {}, f"{REDIRECTED}; check", 1),
        # botocore asks for the bucket's region, once, if it is not in the answer, and else there.
        ("s3", {}, f"{REDIRECTED}; check", 2),
        ("s3", {"x-amz-bucket-region": "eu-west-1"}, f"{REDIRECTED}; the bucket is in eu-west-1; check", 2),
    ],
)
async def test_a_redirect_is_reported_with_where_it_leads(
    sources: Sources, server: ConfigServer, service: str, headers: dict[str, str], said: str, calls: int
) -> None:
    server.outage, server.headers = "redirect", headers
    with pytest.raises(ServiceUnreachable) as caught:
        await sources(NAMES[service], server.url).read()
    assert said in str(caught.value)
    assert server.calls == calls


async def test_a_store_that_fails_is_reported_once_and_gets_the_newest_text_when_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_copies, "RETRY_SECONDS", 0.01)
    path = tmp_path / "folder" / "watcher.db"
    keeper = ConfigKeeper("us-east-1 ssm:x", f"sqlite:///{path}", SystemClock())
    with capture_logs() as logged:

        def those(event: str) -> list[Any]:
            return [line for line in logged if line["event"] == event]

        async with running(keeper.run()):
            keeper.keep(Document("ssm:x", FIRST.encode()))
            await until(lambda: those("config.copy_failed"))
            keeper.keep(Document("ssm:x", SECOND.encode()))
            await asyncio.sleep(0.1)
            path.parent.mkdir()
            await until(lambda: those("config.copy_kept"))
        (failed,) = those("config.copy_failed")
    assert "WATCHER_STATE" in failed["remedy"]
    copy = await config_copies.kept_copy("us-east-1 ssm:x", f"sqlite:///{path}")
    assert copy is not None
    assert copy.text == SECOND


async def test_appconfig_says_how_long_to_wait(sources: Sources, server: ConfigServer) -> None:
    source = sources(NAMES["appconfigdata"], server.url)
    await source.read()
    assert source.pause == 300.0
