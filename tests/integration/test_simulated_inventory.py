"""What the simulated CodeConnections lists, by the real client: pages, accounts, faults, and what changes."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.support.simulated_accounts import LINK, ONE, REGION, SETTLED, SYNC_TYPE, TWO, client, subject, two_accounts
from tests.support.simulator import attempt
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.faults import Fault
from watcher.simulator.inventory import Connection, Repository
from watcher.simulator.scenario import FaultWindow, Scenario
from watcher.simulator.subject import Blocker, Span, SyncSettings
from watcher.sources.codeconnections import STACK, stack


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = raised.value.response["Error"]["Code"]
    return found


async def test_links_and_their_stacks_are_those_of_the_callers_account() -> None:
    async with client(two_accounts(), "codeconnections") as made:
        links = (await made.list_repository_links())["RepositoryLinks"]
        assert [(each["OwnerId"], each["RepositoryName"], each["RepositoryLinkId"]) for each in links] == [
            ("org", "platform", LINK)
        ]
        found = (await made.list_sync_configurations(RepositoryLinkId=LINK, **SYNC_TYPE))["SyncConfigurations"]
        assert [(each["ResourceName"], each["Branch"], each["ConfigFile"]) for each in found] == [
            (f"stack-{n}", "main", f"deployments/stack-{n}.yaml") for n in range(3)
        ]
        assert {each["RoleArn"] for each in found} == {f"arn:aws:iam::{ONE}:role/git-sync"}
    async with client(two_accounts(), "codestar-connections", "TWO") as made:
        (link,) = (await made.list_repository_links())["RepositoryLinks"]
        assert link["RepositoryName"] == "other"
        with pytest.raises(ClientError) as raised:
            await made.list_sync_configurations(RepositoryLinkId=LINK, **SYNC_TYPE)
        assert code(raised) == "ResourceNotFoundException"
        with pytest.raises(ClientError):
            await made.get_resource_sync_status(ResourceName="stack-0", **SYNC_TYPE)
        assert (await made.get_resource_sync_status(ResourceName="other", **SYNC_TYPE))["LatestSync"]


async def test_a_shared_connection_has_the_arn_of_its_owner() -> None:
    async with client(two_accounts(), "codeconnections") as made:
        (found,) = (await made.list_connections(MaxResults=100))["Connections"]
        assert found["ConnectionName"] == "shared"
        assert found["ConnectionStatus"] == "PENDING"
        assert found["OwnerAccountId"] == TWO
        assert found["ConnectionArn"].startswith(f"arn:aws:codeconnections:{REGION}:{TWO}:connection/")
        links = (await made.list_repository_links())["RepositoryLinks"]
        assert links[0]["ConnectionArn"] == found["ConnectionArn"]


@pytest.mark.parametrize(("largest", "asked", "sizes"), [(100, 2, [2, 1]), (1, 100, [1, 1, 1]), (100, 0, [3])])
async def test_a_listing_comes_in_pages(largest: int, asked: int, sizes: list[int]) -> None:
    async with client(two_accounts(page_size=largest), "codeconnections") as made:
        token: dict[str, str] = {}
        pages = []
        while True:
            page = await made.list_sync_configurations(RepositoryLinkId=LINK, MaxResults=asked, **token, **SYNC_TYPE)
            pages.append([each["ResourceName"] for each in page["SyncConfigurations"]])
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert [len(page) for page in pages] == sizes
        assert [name for page in pages for name in page] == ["stack-0", "stack-1", "stack-2"]


async def test_a_token_is_refused_by_another_listing() -> None:
    async with client(two_accounts(page_size=1), "codeconnections") as made:
        token = (await made.list_sync_configurations(RepositoryLinkId=LINK, **SYNC_TYPE))["NextToken"]
        for wrong in (token, "none of ours"):
            with pytest.raises(ClientError) as raised:
                await made.list_connections(NextToken=wrong)
            assert code(raised) == "InvalidInputException"
    async with client(two_accounts(), "proton") as made:
        with pytest.raises(made.exceptions.ValidationException):
            await made.list_service_instances(nextToken="AAAA")


async def test_sync_definitions_are_one_page_with_a_token() -> None:
    async with client(two_accounts(page_size=2), "codeconnections") as made:
        found = await made.list_repository_sync_definitions(RepositoryLinkId=LINK, **SYNC_TYPE)
        assert [each["Target"] for each in found["RepositorySyncDefinitions"]] == ["stack-0", "stack-1"]
        assert found["NextToken"]


async def test_a_repository_without_a_timeline_shows_the_latest_attempt_of_its_stacks() -> None:
    async with client(Scenario("test"), "codeconnections") as made:
        world, stacks = made.simulator.world, [stack("default", REGION, name) for name in ("a", "b")]
        for target in stacks:
            world.show(target, attempt(target, SUCCEEDED, 1000.0))
        (link,) = (await made.list_repository_links())["RepositoryLinks"]
        asked = {"RepositoryLinkId": link["RepositoryLinkId"], "Branch": "main", **SYNC_TYPE}
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
        summary = (await made.get_sync_blocker_summary(ResourceName="blocked", **SYNC_TYPE))["SyncBlockerSummary"]
        (found,) = summary["LatestBlockers"]
        assert (found["Status"], found["CreatedReason"]) == ("ACTIVE", "Failed 3 times")
        assert found["Contexts"] == [{"Key": "ConfigFile", "Value": "a.yaml"}]
        with pytest.raises(made.exceptions.ResourceNotFoundException):
            await made.get_sync_blocker_summary(ResourceName="not-there", **SYNC_TYPE)


async def test_an_operation_can_be_denied_and_a_second_page_can_fail() -> None:
    denied = FaultWindow(Fault("access_denied"), operation="GetSyncBlockerSummary", account=ONE)
    failing = FaultWindow(Fault("server_error"), operation="ListSyncConfigurations", page=2)
    async with client(two_accounts(fault_windows=(denied, failing), page_size=2), "codeconnections") as made:
        with pytest.raises(made.exceptions.AccessDeniedException):
            await made.get_sync_blocker_summary(ResourceName="stack-0", **SYNC_TYPE)
        assert (await made.get_resource_sync_status(ResourceName="stack-0", **SYNC_TYPE))["LatestSync"]
        first = await made.list_sync_configurations(RepositoryLinkId=LINK, **SYNC_TYPE)
        with pytest.raises(made.exceptions.InternalServerException):
            await made.list_sync_configurations(RepositoryLinkId=LINK, NextToken=first["NextToken"], **SYNC_TYPE)


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
        listed = await here.list_sync_configurations(RepositoryLinkId=link["RepositoryLinkId"], **SYNC_TYPE)
        assert [(each["ResourceName"], each["Branch"]) for each in listed["SyncConfigurations"]] == [
            ("moved", "release")
        ]
        with pytest.raises(here.exceptions.ResourceNotFoundException):
            await here.get_resource_sync_status(ResourceName="deleted", **SYNC_TYPE)
        with pytest.raises(here.exceptions.ResourceNotFoundException):
            await here.get_repository_sync_status(RepositoryLinkId=LINK, Branch="main", **SYNC_TYPE)


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
