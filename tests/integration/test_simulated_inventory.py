"""What the simulated accounts have, listed by the real client: pages, accounts, faults, and everything that moves."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from tests.support.service_models import conforms
from tests.support.simulator import Simulator, attempt
from tests.support.waiting import PATIENCE
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.aws_json import model
from watcher.simulator.faults import Fault
from watcher.simulator.inventory import Connection, Place, Repository
from watcher.simulator.operations import LISTINGS, STATUSES
from watcher.simulator.scenario import FaultWindow, Scenario
from watcher.simulator.subject import Blocker, Span, Subject, SyncSettings
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline
from watcher.sources.codeconnections import STACK, stack
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from watcher.core.kinds import Kind

REGION = "us-east-1"
ONE, TWO = "111111111111", "222222222222"
LINK = "6053346f-8a33-4edb-9397-10394b695173"
SETTLED = Timeline((Scene(Status(SUCCEEDED, NewAttempt())),))
STACKS = {"SyncType": "CFN_STACK_SYNC"}


def subject(kind: Kind, *identity: str, **fields: Any) -> Subject:
    return Subject(kind, tuple(zip((part.name for part in kind.identity), identity, strict=True)), **fields)


def scenario(**fields: Any) -> Scenario:
    """Two accounts: one with three stacks in a repository and some of Proton, the other with a stack."""
    subjects = [
        *(subject(STACK, f"stack-{n}", account=ONE, repository="org/platform", region=REGION) for n in range(3)),
        subject(STACK, "other", account=TWO, repository="org/other", region=REGION),
        subject(TEMPLATE, "ENVIRONMENT", "vpc", "1", account=ONE, repository="org/templates"),
        subject(TEMPLATE, "ENVIRONMENT", "vpc", "2", account=ONE, repository="org/templates"),
        subject(TEMPLATE, "SERVICE", "web", "1", account=ONE, repository="org/templates", synced=False),
        subject(SERVICE_INSTANCE, "shop", "shop-prod", account=ONE, repository="org/shop"),
    ]
    return Scenario(
        "test",
        tuple((each, SETTLED) for each in subjects),
        repositories=(Repository("org/platform", connection="shared", account=ONE, link=LINK),),
        connections=(Connection("shared", account=ONE, owner=TWO, statuses=((0.0, "PENDING"),)),),
        accounts={"ONE": ONE, "TWO": TWO},
        **fields,
    )


@contextlib.asynccontextmanager
async def client(made: Scenario, service: str, access_key: str = "ONE") -> AsyncIterator[Any]:
    simulator = Simulator(made)
    await simulator.start()
    config = AioConfig(retries={"total_max_attempts": 1}, read_timeout=PATIENCE, connect_timeout=PATIENCE)
    try:
        async with get_session().create_client(
            service,
            region_name=REGION,
            endpoint_url=simulator.url,
            config=config,
            aws_access_key_id=access_key,
            aws_secret_access_key="any",
        ) as found:
            found.simulator = simulator
            yield found
    finally:
        await simulator.stop()


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = raised.value.response["Error"]["Code"]
    return found


async def test_links_and_their_stacks_are_those_of_the_callers_account() -> None:
    async with client(scenario(), "codeconnections") as made:
        links = (await made.list_repository_links())["RepositoryLinks"]
        assert [(each["OwnerId"], each["RepositoryName"], each["RepositoryLinkId"]) for each in links] == [
            ("org", "platform", LINK)
        ]
        found = (await made.list_sync_configurations(RepositoryLinkId=LINK, **STACKS))["SyncConfigurations"]
        assert [(each["ResourceName"], each["Branch"], each["ConfigFile"]) for each in found] == [
            (f"stack-{n}", "main", f"deployments/stack-{n}.yaml") for n in range(3)
        ]
        assert {each["RoleArn"] for each in found} == {f"arn:aws:iam::{ONE}:role/git-sync"}
    async with client(scenario(), "codestar-connections", "TWO") as made:
        (link,) = (await made.list_repository_links())["RepositoryLinks"]
        assert link["RepositoryName"] == "other"
        with pytest.raises(ClientError) as raised:
            await made.list_sync_configurations(RepositoryLinkId=LINK, **STACKS)
        assert code(raised) == "ResourceNotFoundException"
        with pytest.raises(ClientError):
            await made.get_resource_sync_status(ResourceName="stack-0", **STACKS)
        assert (await made.get_resource_sync_status(ResourceName="other", **STACKS))["LatestSync"]


async def test_a_shared_connection_has_the_arn_of_its_owner() -> None:
    async with client(scenario(), "codeconnections") as made:
        (found,) = (await made.list_connections(MaxResults=100))["Connections"]
        assert found["ConnectionName"] == "shared"
        assert found["ConnectionStatus"] == "PENDING"
        assert found["OwnerAccountId"] == TWO
        assert found["ConnectionArn"].startswith(f"arn:aws:codeconnections:{REGION}:{TWO}:connection/")
        links = (await made.list_repository_links())["RepositoryLinks"]
        assert links[0]["ConnectionArn"] == found["ConnectionArn"]


@pytest.mark.parametrize(("largest", "asked", "sizes"), [(100, 2, [2, 1]), (1, 100, [1, 1, 1]), (100, 0, [3])])
async def test_a_listing_comes_in_pages(largest: int, asked: int, sizes: list[int]) -> None:
    async with client(scenario(page_size=largest), "codeconnections") as made:
        token: dict[str, str] = {}
        pages = []
        while True:
            page = await made.list_sync_configurations(RepositoryLinkId=LINK, MaxResults=asked, **token, **STACKS)
            pages.append([each["ResourceName"] for each in page["SyncConfigurations"]])
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert [len(page) for page in pages] == sizes
        assert [name for page in pages for name in page] == ["stack-0", "stack-1", "stack-2"]


async def test_a_token_is_refused_by_another_listing() -> None:
    async with client(scenario(page_size=1), "codeconnections") as made:
        token = (await made.list_sync_configurations(RepositoryLinkId=LINK, **STACKS))["NextToken"]
        for wrong in (token, "none of ours"):
            with pytest.raises(ClientError) as raised:
                await made.list_connections(NextToken=wrong)
            assert code(raised) == "InvalidInputException"
    async with client(scenario(), "proton") as made:
        with pytest.raises(made.exceptions.ValidationException):
            await made.list_service_instances(nextToken="AAAA")


async def test_sync_definitions_are_one_page_with_a_token() -> None:
    async with client(scenario(page_size=2), "codeconnections") as made:
        found = await made.list_repository_sync_definitions(RepositoryLinkId=LINK, **STACKS)
        assert [each["Target"] for each in found["RepositorySyncDefinitions"]] == ["stack-0", "stack-1"]
        assert found["NextToken"]


async def test_protons_paginators_find_templates_versions_and_instances() -> None:
    async def all_of(operation: str, **request: Any) -> list[Any]:
        pages = made.get_paginator(operation).paginate(**request)
        name = made.get_paginator(operation).result_keys[0].parsed["value"]
        return [each async for page in pages for each in page[name]]

    async with client(scenario(page_size=1), "proton") as made:
        assert [each["name"] for each in await all_of("list_environment_templates")] == ["vpc"]
        assert [each["name"] for each in await all_of("list_service_templates")] == ["web"]
        versions = await all_of("list_environment_template_versions", templateName="vpc")
        assert [each["majorVersion"] for each in versions] == ["1", "2"]
        minor = await all_of("list_environment_template_versions", templateName="vpc", majorVersion="2")
        assert [(each["majorVersion"], each["minorVersion"]) for each in minor] == [("2", "0")]
        config = await made.get_template_sync_config(templateName="vpc", templateType="ENVIRONMENT")
        assert config["templateSyncConfig"]["repositoryName"] == "org/templates"
        with pytest.raises(made.exceptions.ResourceNotFoundException):
            await made.get_template_sync_config(templateName="web", templateType="SERVICE")
        instances = await all_of("list_service_instances")
        assert [(each["serviceName"], each["name"]) for each in instances] == [("shop", "shop-prod")]
        status = await made.get_service_instance_sync_status(serviceName="shop", serviceInstanceName="shop-prod")
        assert status["latestSync"]["status"] == SUCCEEDED
        assert [each["name"] for each in await all_of("list_repositories")] == ["org/shop", "org/templates"]
        found = await made.list_repository_sync_definitions(
            repositoryName="org/templates", repositoryProvider="GITHUB", syncType="TEMPLATE_SYNC"
        )
        assert [each["target"] for each in found["syncDefinitions"]] == ["vpc:1", "vpc:2"]
        status = await made.get_repository_sync_status(
            repositoryName="org/shop", repositoryProvider="GITHUB", branch="main", syncType="SERVICE_SYNC"
        )
        assert status["latestSync"]["status"] == SUCCEEDED


async def test_a_repository_without_a_timeline_shows_the_latest_attempt_of_its_stacks() -> None:
    async with client(Scenario("test"), "codeconnections") as made:
        world, stacks = made.simulator.world, [stack("default", REGION, name) for name in ("a", "b")]
        for target in stacks:
            world.show(target, attempt(target, SUCCEEDED, 1000.0))
        (link,) = (await made.list_repository_links())["RepositoryLinks"]
        asked = {"RepositoryLinkId": link["RepositoryLinkId"], "Branch": "main", **STACKS}
        world.show(stacks[0], attempt(stacks[0], IN_PROGRESS, 2000.0, events=("pushed",)))
        world.show(stacks[1], attempt(stacks[1], FAILED, 1500.0))
        latest = (await made.get_repository_sync_status(**asked))["LatestSync"]
        assert (latest["Status"], latest["StartedAt"].timestamp()) == (IN_PROGRESS, 2000.0)
        assert set(latest) == {"Status", "StartedAt", "Events"}
        assert [call.answer for call in made.simulator.calls] == ["OK", IN_PROGRESS]
        for wrong in ({"Branch": "other"}, {"RepositoryLinkId": LINK}):
            with pytest.raises(made.exceptions.ResourceNotFoundException):
                await made.get_repository_sync_status(**asked | wrong)


async def test_blockers_are_those_of_the_stack() -> None:
    blocker = Blocker(Span(0.0), "Failed 3 times", (("ConfigFile", "a.yaml"),))
    blocked = subject(STACK, "blocked", account=ONE, blockers=(blocker,))
    async with client(Scenario("test", ((blocked, SETTLED),), accounts={"ONE": ONE}), "codeconnections") as made:
        summary = (await made.get_sync_blocker_summary(ResourceName="blocked", **STACKS))["SyncBlockerSummary"]
        (found,) = summary["LatestBlockers"]
        assert (found["Status"], found["CreatedReason"]) == ("ACTIVE", "Failed 3 times")
        assert found["Contexts"] == [{"Key": "ConfigFile", "Value": "a.yaml"}]
        with pytest.raises(made.exceptions.ResourceNotFoundException):
            await made.get_sync_blocker_summary(ResourceName="not-there", **STACKS)


async def test_an_operation_can_be_denied_and_a_second_page_can_fail() -> None:
    denied = FaultWindow(Fault("access_denied"), operation="GetSyncBlockerSummary", account=ONE)
    failing = FaultWindow(Fault("server_error"), operation="ListSyncConfigurations", page=2)
    async with client(scenario(fault_windows=(denied, failing), page_size=2), "codeconnections") as made:
        with pytest.raises(made.exceptions.AccessDeniedException):
            await made.get_sync_blocker_summary(ResourceName="stack-0", **STACKS)
        assert (await made.get_resource_sync_status(ResourceName="stack-0", **STACKS))["LatestSync"]
        first = await made.list_sync_configurations(RepositoryLinkId=LINK, **STACKS)
        with pytest.raises(made.exceptions.InternalServerException):
            await made.list_sync_configurations(RepositoryLinkId=LINK, NextToken=first["NextToken"], **STACKS)


async def test_a_repository_that_disappears_and_a_stack_that_moves() -> None:
    gone = Repository("org/gone", account=ONE, link=LINK, absent=(Span(0.0),))
    moved = SyncSettings(moves=((0.0, "release"),))
    subjects = (
        subject(STACK, "left", account=ONE, repository="org/gone"),
        subject(STACK, "moved", account=ONE, repository="org/here", settings=moved),
        subject(STACK, "deleted", account=ONE, repository="org/here", absent=(Span(0.0),)),
    )
    made = Scenario("test", tuple((each, SETTLED) for each in subjects), repositories=(gone,), accounts={"ONE": ONE})
    async with client(made, "codeconnections") as here:
        (link,) = (await here.list_repository_links())["RepositoryLinks"]
        assert link["RepositoryName"] == "here"
        listed = await here.list_sync_configurations(RepositoryLinkId=link["RepositoryLinkId"], **STACKS)
        assert [(each["ResourceName"], each["Branch"]) for each in listed["SyncConfigurations"]] == [
            ("moved", "release")
        ]
        with pytest.raises(here.exceptions.ResourceNotFoundException):
            await here.get_resource_sync_status(ResourceName="deleted", **STACKS)
        with pytest.raises(here.exceptions.ResourceNotFoundException):
            await here.get_repository_sync_status(RepositoryLinkId=LINK, Branch="main", **STACKS)


REQUESTS: Mapping[str, Mapping[str, str]] = {
    "ListSyncConfigurations": {"RepositoryLinkId": LINK, **STACKS},
    "ListRepositorySyncDefinitions": {"RepositoryLinkId": LINK, **STACKS},
    "GetSyncBlockerSummary": {"ResourceName": "stack-0", **STACKS},
    "GetResourceSyncStatus": {"ResourceName": "stack-0", **STACKS},
    "ListEnvironmentTemplateVersions": {"templateName": "vpc"},
    "ListServiceTemplateVersions": {"templateName": "web"},
    "GetTemplateSyncConfig": {"templateName": "vpc", "templateType": "ENVIRONMENT"},
    "GetTemplateSyncStatus": {"templateName": "vpc", "templateType": "ENVIRONMENT", "templateVersion": "1"},
    "GetServiceSyncConfig": {"serviceName": "shop"},
    "GetServiceSyncBlockerSummary": {"serviceName": "shop", "serviceInstanceName": "shop-prod"},
    "GetServiceInstanceSyncStatus": {"serviceName": "shop", "serviceInstanceName": "shop-prod"},
}
BY_API: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("codeconnections", "GetRepositorySyncStatus"): {"RepositoryLinkId": LINK, "Branch": "main", **STACKS},
    ("proton", "GetRepositorySyncStatus"): {
        "repositoryName": "org/templates",
        "repositoryProvider": "GITHUB",
        "branch": "main",
        "syncType": "TEMPLATE_SYNC",
    },
    ("proton", "ListRepositorySyncDefinitions"): {
        "repositoryName": "org/shop",
        "repositoryProvider": "GITHUB",
        "syncType": "SERVICE_SYNC",
    },
}


@pytest.mark.parametrize(("api", "operation"), [*LISTINGS, *STATUSES])
async def test_every_answer_has_the_models_shape(api: str, operation: str) -> None:
    world = Simulator(scenario()).world
    world.start()
    request = BY_API.get((api, operation)) or REQUESTS.get(operation, {})
    _, reply = world.answer(Place(ONE, REGION), api, operation, request)
    assert reply.status == 200
    conforms(model(api).operation_model(operation).output_shape, json.loads(reply.body))


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("ListEnvironmentTemplateVersions", {"templateName": "web"}),
        ("ListServiceTemplateVersions", {"templateName": "vpc"}),
        ("GetTemplateSyncConfig", {"templateName": "not-there", "templateType": "SERVICE"}),
        ("GetServiceSyncConfig", {"serviceName": "not-there"}),
        ("GetServiceSyncBlockerSummary", {"serviceName": "shop", "serviceInstanceName": "not-there"}),
        ("GetServiceInstanceSyncStatus", {"serviceName": "shop", "serviceInstanceName": "not-there"}),
        ("GetTemplateSyncStatus", {"templateName": "web", "templateType": "SERVICE", "templateVersion": "1"}),
    ],
)
async def test_what_proton_does_not_have_is_not_found(operation: str, request_: dict[str, str]) -> None:
    world = Simulator(scenario()).world
    world.start()
    _, reply = world.answer(Place(ONE, REGION), "proton", operation, request_)
    assert reply.kind == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ({}, ["github", "gitlab", "on-site"]),
        ({"ProviderTypeFilter": "GitLab"}, ["gitlab"]),
        ({"HostArnFilter": "arn:aws:codeconnections:us-east-1:111111111111:host/h"}, ["on-site"]),
    ],
)
async def test_connections_are_filtered(request_: dict[str, str], names: list[str]) -> None:
    connections = (
        Connection("github"),
        Connection("gitlab", "GitLab"),
        Connection("on-site", "GitHubEnterpriseServer", host="arn:aws:codeconnections:us-east-1:111111111111:host/h"),
    )
    async with client(Scenario("test", connections=connections), "codeconnections") as made:
        found = (await made.list_connections(**request_))["Connections"]
        assert [each["ConnectionName"] for each in found] == names


async def test_an_instance_can_be_found_by_its_service_alone() -> None:
    async with client(scenario(), "proton") as made:
        assert (await made.list_service_instances(serviceName="other"))["serviceInstances"] == []
        assert len((await made.list_service_instances(serviceName="shop"))["serviceInstances"]) == 1
