"""What the simulated Proton lists, by the real client, and that every answer of both services has its model's shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.service_models import conforms
from tests.support.simulated_accounts import LINK, ONE, REGION, SYNC_TYPE, client, two_accounts
from tests.support.simulator import Simulator
from watcher.core.model import SUCCEEDED
from watcher.simulator.aws_json import model
from watcher.simulator.inventory import Place
from watcher.simulator.operations import LISTINGS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping


REQUESTS: Mapping[str, Mapping[str, str]] = {
    "ListSyncConfigurations": {"RepositoryLinkId": LINK, **SYNC_TYPE},
    "ListRepositorySyncDefinitions": {"RepositoryLinkId": LINK, **SYNC_TYPE},
    "GetSyncBlockerSummary": {"ResourceName": "stack-0", **SYNC_TYPE},
    "GetResourceSyncStatus": {"ResourceName": "stack-0", **SYNC_TYPE},
    "ListEnvironmentTemplateVersions": {"templateName": "vpc"},
    "ListServiceTemplateVersions": {"templateName": "web"},
    "GetTemplateSyncConfig": {"templateName": "vpc", "templateType": "ENVIRONMENT"},
    "GetTemplateSyncStatus": {"templateName": "vpc", "templateType": "ENVIRONMENT", "templateVersion": "1"},
    "GetServiceSyncConfig": {"serviceName": "shop"},
    "GetServiceSyncBlockerSummary": {"serviceName": "shop", "serviceInstanceName": "shop-prod"},
    "GetServiceInstanceSyncStatus": {"serviceName": "shop", "serviceInstanceName": "shop-prod"},
}
BY_API: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("codeconnections", "GetRepositorySyncStatus"): {"RepositoryLinkId": LINK, "Branch": "main", **SYNC_TYPE},
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
    world = Simulator(two_accounts()).world
    world.start()
    request = BY_API.get((api, operation)) or REQUESTS.get(operation, {})
    _, reply = world.answer(Place(ONE, REGION), api, operation, request)
    assert reply.status == 200
    conforms(model(api).operation_model(operation).output_shape, json.loads(reply.body))


async def test_protons_paginators_find_templates_versions_and_instances() -> None:
    async def all_of(operation: str, **request: Any) -> list[Any]:
        pages = made.get_paginator(operation).paginate(**request)
        name = made.get_paginator(operation).result_keys[0].parsed["value"]
        return [each async for page in pages for each in page[name]]

    async with client(two_accounts(page_size=1), "proton") as made:
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
    world = Simulator(two_accounts()).world
    world.start()
    _, reply = world.answer(Place(ONE, REGION), "proton", operation, request_)
    assert reply.kind == "ResourceNotFoundException"


async def test_an_instance_can_be_found_by_its_service_alone() -> None:
    async with client(two_accounts(), "proton") as made:
        assert (await made.list_service_instances(serviceName="other"))["serviceInstances"] == []
        assert len((await made.list_service_instances(serviceName="shop"))["serviceInstances"]) == 1
