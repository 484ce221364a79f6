"""What the listings of each API ask for, and what they find in the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from watcher.core.listings import FoundTarget
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.sources import codeconnections, paging, proton

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.core.kinds import Kind

ARN = "arn:aws:codeconnections:us-east-1:111122223333:connection/c1"
A, B = "6053346f-8a33-4edb-9397-10394b695173", "7053346f-8a33-4edb-9397-10394b695173"


class Api:
    """Answers each operation with what a test says: a list of answers by parameters, without the size of a page."""

    def __init__(self, answers: Sequence[tuple[str, Mapping[str, Any], Any]]) -> None:
        self.asked: list[str] = []
        self._answers = answers

    async def __call__(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(operation)
        assert parameters.get("MaxResults", parameters.get("maxResults", 100)) == 100
        rest = {key: value for key, value in parameters.items() if key.lower() != "maxresults"}
        for name, wanted, answer in self._answers:
            if (name, wanted) == (operation, rest):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise AssertionError(f"unexpected: {operation} {rest}")


async def listed(kind: Kind, *answers: tuple[str, Mapping[str, Any], Any]) -> list[FoundTarget]:
    assert kind.listing is not None
    return [*await kind.listing(Api(answers))]


def link(link_id: str, name: str) -> dict[str, str]:
    return {
        "ConnectionArn": ARN,
        "OwnerId": "org",
        "ProviderType": "GitHub",
        "RepositoryLinkId": link_id,
        "RepositoryName": name,
    }


def configuration(name: str, branch: str, **more: str) -> dict[str, str]:
    return {"ResourceName": name, "Branch": branch, "SyncType": "CFN_STACK_SYNC", **more}


def of_link(link_id: str, **more: str) -> dict[str, str]:
    return {"SyncType": "CFN_STACK_SYNC", "RepositoryLinkId": link_id, **more}


SYNCED = (
    ("ListRepositoryLinks", {}, {"RepositoryLinks": [link(A, "infra")], "NextToken": "two"}),
    ("ListRepositoryLinks", {"NextToken": "two"}, {"RepositoryLinks": [link(B, "shop")]}),
    (
        "ListSyncConfigurations",
        of_link(A),
        {"SyncConfigurations": [configuration("network", "main", ConfigFile="net.yaml")], "NextToken": "t"},
    ),
    (
        "ListSyncConfigurations",
        of_link(A, NextToken="t"),
        {"SyncConfigurations": [configuration("dns", "main"), configuration("lab", "dev")]},
    ),
    ("ListSyncConfigurations", of_link(B), {"SyncConfigurations": []}),
)
OF_A = {"repository": "org/infra", "connection": ARN}


async def test_stacks_are_those_of_the_sync_configurations_of_each_link() -> None:
    assert await listed(codeconnections.STACK, *SYNCED) == [
        FoundTarget((("name", "network"),), {**OF_A, "link": A, "branch": "main", "config_file": "net.yaml"}),
        FoundTarget((("name", "dns"),), {**OF_A, "link": A, "branch": "main"}),
        FoundTarget((("name", "lab"),), {**OF_A, "link": A, "branch": "dev"}),
    ]


async def test_repositories_are_the_branches_in_use_of_each_link() -> None:
    assert await listed(codeconnections.REPOSITORY, *SYNCED) == [
        FoundTarget((("link", A), ("branch", "main")), OF_A),
        FoundTarget((("link", A), ("branch", "dev")), OF_A),
    ]


def shown(uuid: str, **more: str) -> dict[str, str]:
    arn = f"arn:aws:codestar-connections:us-east-1:111122223333:connection/{uuid}"
    return {"ConnectionArn": arn, "ConnectionName": uuid, "ConnectionStatus": "PENDING", **more}


async def test_connections_are_listed_with_their_status() -> None:
    host = "arn:aws:codeconnections:us-east-1:111122223333:host/ghes-1"
    more = {"ConnectionStatus": "AVAILABLE", "ProviderType": "GitHubEnterpriseServer", "HostArn": host}
    found = await listed(
        codeconnections.CONNECTION,
        ("ListConnections", {}, {"Connections": [shown("a", **more)], "NextToken": "two"}),
        ("ListConnections", {"NextToken": "two"}, {"Connections": [shown("b")]}),
    )
    arn = "arn:aws:codestar-connections:us-east-1:111122223333:connection"
    facts = {"provider": "GitHubEnterpriseServer", "host": host}
    assert found == [
        FoundTarget((("arn", f"{arn}/a"),), {"name": "a", "status": "AVAILABLE", **facts}),
        FoundTarget((("arn", f"{arn}/b"),), {"name": "b", "status": "PENDING"}),
    ]


REPOSITORIES = (
    "ListRepositories",
    {},
    {"repositories": [{"name": "org/templates", "provider": "GITHUB", "connectionArn": ARN, "arn": "…"}]},
)
NOT_SYNCED = TargetUnreadable("ResourceNotFoundException", "no such configuration")


async def test_templates_are_the_major_versions_of_those_with_a_sync_configuration() -> None:
    synced = {"repositoryProvider": "GITHUB", "repositoryName": "org/templates", "branch": "main"}
    found = await listed(
        proton.TEMPLATE,
        REPOSITORIES,
        ("ListEnvironmentTemplates", {}, {"templates": [{"name": "fargate"}, {"name": "by-hand"}]}),
        ("ListServiceTemplates", {}, {"templates": [{"name": "web"}]}),
        (
            "GetTemplateSyncConfig",
            {"templateName": "fargate", "templateType": "ENVIRONMENT"},
            {"templateSyncConfig": synced},
        ),
        ("GetTemplateSyncConfig", {"templateName": "by-hand", "templateType": "ENVIRONMENT"}, NOT_SYNCED),
        ("GetTemplateSyncConfig", {"templateName": "web", "templateType": "SERVICE"}, {}),
        (
            "ListEnvironmentTemplateVersions",
            {"templateName": "fargate"},
            {"templateVersions": [{"majorVersion": "1"}, {"majorVersion": "2"}, {"majorVersion": "1"}]},
        ),
    )
    facts = {"repository": "org/templates", "branch": "main", "connection": ARN}
    assert found == [
        FoundTarget((("type", "ENVIRONMENT"), ("name", "fargate"), ("version", version)), facts) for version in "12"
    ]


async def test_service_instances_are_those_of_services_with_a_sync_configuration() -> None:
    instances = [{"serviceName": service, "name": name} for service, name in (("shop", "a"), ("shop", "b"), ("x", "c"))]
    synced = {"repositoryProvider": "GITHUB", "repositoryName": "org/templates", "branch": "main", "filePath": "s.yaml"}
    found = await listed(
        proton.SERVICE_INSTANCE,
        REPOSITORIES,
        ("ListServiceInstances", {}, {"serviceInstances": instances}),
        ("GetServiceSyncConfig", {"serviceName": "shop"}, {"serviceSyncConfig": synced}),
        ("GetServiceSyncConfig", {"serviceName": "x"}, NOT_SYNCED),
    )
    facts = {"repository": "org/templates", "branch": "main", "config_file": "s.yaml", "connection": ARN}
    assert found == [FoundTarget((("service", "shop"), ("name", name)), facts) for name in "ab"]


async def test_proton_repositories_are_the_branches_in_use() -> None:
    of = {"repositoryProvider": "GITHUB", "repositoryName": "org/templates"}
    definitions = [{"branch": "main", "target": "a"}, {"branch": "main", "target": "b"}]
    operation = "ListRepositorySyncDefinitions"
    found = await listed(
        proton.REPOSITORY,
        REPOSITORIES,
        (operation, {**of, "syncType": "TEMPLATE_SYNC"}, {"syncDefinitions": definitions, "nextToken": "ignored"}),
        (operation, {**of, "syncType": "SERVICE_SYNC"}, {"syncDefinitions": []}),
    )
    identity = (("provider", "GITHUB"), ("name", "org/templates"), ("branch", "main"), ("sync_type", "TEMPLATE_SYNC"))
    assert found == [FoundTarget(identity, {"repository": "org/templates", "connection": ARN})]


@pytest.mark.parametrize(
    ("first", "error"),
    [
        ({}, "RepositoryLinks is missing"),
        ({"RepositoryLinks": None}, "RepositoryLinks is missing"),
        ({"RepositoryLinks": ["text"]}, "not a list of structures"),
        ({"RepositoryLinks": [{}]}, "'RepositoryLinkId'"),
        ({"RepositoryLinks": [{**link(A, "infra"), "OwnerId": 7}]}, "'OwnerId'"),
        ({"RepositoryLinks": [], "NextToken": 7}, "token"),
        (TargetUnreadable("InvalidInputException", "wrong"), "wrong"),
        (EndpointUnreadable("AccessDeniedException", "denied"), "denied"),
    ],
)
async def test_a_listing_fails_when_a_page_fails_or_is_not_what_the_api_promises(first: Any, error: str) -> None:
    with pytest.raises(PollFailed, match=error):
        await listed(codeconnections.STACK, ("ListRepositoryLinks", {}, first))


async def test_a_listing_fails_on_its_second_page() -> None:
    first = {"RepositoryLinks": [link(A, "infra")], "NextToken": "two"}
    denied = EndpointUnreadable("InternalServerException", "later")
    with pytest.raises(EndpointUnreadable, match="later"):
        await listed(
            codeconnections.STACK,
            ("ListRepositoryLinks", {}, first),
            ("ListRepositoryLinks", {"NextToken": "two"}, denied),
        )


async def test_a_token_that_comes_twice_is_an_error() -> None:
    api = Api(
        [
            ("ListRepositoryLinks", {}, {"RepositoryLinks": [], "NextToken": "again"}),
            ("ListRepositoryLinks", {"NextToken": "again"}, {"RepositoryLinks": [], "NextToken": "again"}),
        ]
    )
    with pytest.raises(EndpointUnreadable, match="token of an earlier one"):
        await codeconnections.STACK.listing(api)  # type: ignore[misc]
    assert len(api.asked) == 2


async def test_a_listing_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_PAGES", 3)
    asked = []

    async def endless(operation: str, _: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(operation)
        return {"RepositoryLinks": [], "NextToken": str(len(asked))}

    with pytest.raises(EndpointUnreadable, match="more than 3 pages"):
        await codeconnections.STACK.listing(endless)  # type: ignore[misc]
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("limit", "most", "item"),
    [("MAX_ITEMS", 1_000, {}), ("MAX_CHARACTERS", 100_000, {"Nested": {"Text": "x" * 1_000}})],
)
async def test_a_listing_of_overfull_pages_is_given_up_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int, item: dict[str, Any]
) -> None:
    monkeypatch.setattr(paging, limit, most)
    asked = []

    async def endless(operation: str, _: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(operation)
        return {"RepositoryLinks": [item] * 300, "NextToken": str(len(asked))}

    with pytest.raises(EndpointUnreadable, match=r"ListRepositoryLinks: there are more than \d+ items, "):
        await codeconnections.STACK.listing(endless)  # type: ignore[misc]
    assert len(asked) <= 4


async def test_a_refused_sync_configuration_fails_the_listing_of_templates() -> None:
    with pytest.raises(EndpointUnreadable, match="denied"):
        await listed(
            proton.TEMPLATE,
            REPOSITORIES,
            ("ListEnvironmentTemplates", {}, {"templates": [{"name": "fargate"}]}),
            (
                "GetTemplateSyncConfig",
                {"templateName": "fargate", "templateType": "ENVIRONMENT"},
                EndpointUnreadable("AccessDeniedException", "denied"),
            ),
        )
