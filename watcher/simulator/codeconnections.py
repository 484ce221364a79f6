"""The operations of the simulated CodeConnections that read its inventory; sync statuses come from timelines."""

from collections.abc import Mapping
from typing import Any

from watcher.simulator.aws_json import ApiError, key_of
from watcher.simulator.inventory import Inventory, Repository
from watcher.simulator.listing import Fields, Items, Operation, Request, listing
from watcher.sources.codeconnections import STACK

API = "codeconnections"


def _connections(inventory: Inventory, moment: float, request: Request) -> list[Fields]:
    return [
        {
            "connectionName": each.name,
            "connectionArn": each.arn(inventory.place),
            "providerType": each.provider,
            "ownerAccountId": each.owner or inventory.place.account,
            "connectionStatus": each.status_at(moment),
            **({"hostArn": each.host} if each.host else {}),
        }
        for each in inventory.connections.values()
        if each.provider == request.get("ProviderTypeFilter", each.provider)
        and each.host == request.get("HostArnFilter", each.host)
    ]


def _repository_links(inventory: Inventory, moment: float, _: Request) -> list[Fields]:
    region, account = inventory.place.region, inventory.place.account
    return [
        {
            "connectionArn": inventory.connection_arn(each),
            **_named(each),
            "repositoryLinkArn": f"arn:aws:codeconnections:{region}:{account}:repository-link/{link}",
            "repositoryLinkId": link,
        }
        for link, each in inventory.links.items()
        if each.exists(moment)
    ]


def _sync_configurations(inventory: Inventory, moment: float, request: Request) -> list[Fields]:
    link = request["RepositoryLinkId"]
    repository = _linked(inventory, link, moment)
    return [
        {
            "branch": stack.branch_at(moment),
            "configFile": stack.config_file,
            **_named(repository),
            "repositoryLinkId": link,
            "resourceName": stack.name,
            "roleArn": stack.settings.role_arn or f"arn:aws:iam::{inventory.place.account}:role/git-sync",
            "syncType": request["SyncType"],
            "publishDeploymentStatus": stack.settings.publish_deployment_status,
            "triggerResourceUpdateOn": stack.settings.trigger_resource_update_on,
        }
        for stack in inventory.stacks(link, moment)
    ]


def _sync_definitions(inventory: Inventory, moment: float, request: Request) -> list[Fields]:
    link = request["RepositoryLinkId"]
    _linked(inventory, link, moment)
    return [
        {
            "branch": stack.branch_at(moment),
            "directory": stack.folder(),
            "parent": stack.config_file,
            "target": stack.name,
        }
        for stack in inventory.stacks(link, moment)
    ]


def _blocker_summary(inventory: Inventory, moment: float, request: Request) -> Fields:
    stack = inventory.subjects.get(_stack_key(request))
    if stack is None or not stack.exists(moment):
        raise ApiError("ResourceNotFoundException", f"The resource {request['ResourceName']} was not found.")
    blockers = list(stack.blockers_at(inventory.epoch, moment))
    return {"syncBlockerSummary": {"resourceName": stack.name, "latestBlockers": blockers}}


def _stack_key(request: Request) -> str:
    return key_of(STACK, (("name", request["ResourceName"]),))


def _linked(inventory: Inventory, link: str, moment: float) -> Repository:
    repository = inventory.linked(link, moment)
    if repository is None:
        raise ApiError("ResourceNotFoundException", f"The repository link {link} was not found.")
    return repository


def _named(repository: Repository) -> dict[str, Any]:
    owner, _, name = repository.name.partition("/")
    return {"ownerId": owner, "repositoryName": name, "providerType": repository.provider}


_LISTINGS: Mapping[str, tuple[str, Items]] = {
    "ListConnections": ("connections", _connections),
    "ListRepositoryLinks": ("repositoryLinks", _repository_links),
    "ListSyncConfigurations": ("syncConfigurations", _sync_configurations),
    # Its request has no token and no size, so an answer is always the first page.
    "ListRepositorySyncDefinitions": ("repositorySyncDefinitions", _sync_definitions),
}

OPERATIONS: Mapping[str, Operation] = {
    **{name: listing(API, name, member, items) for name, (member, items) in _LISTINGS.items()},
    "GetSyncBlockerSummary": Operation(_blocker_summary, key=_stack_key),
}
