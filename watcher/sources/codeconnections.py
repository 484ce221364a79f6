"""The kinds of AWS CodeConnections: `stack`, `repository` and `connection`. Its answers are in PascalCase.

The service model requires `LatestSync`, yet an answer without it is read as a stack that never synced, as it is for
every kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.core.kinds import BlockerCall, IdentityPart, Kind
from watcher.core.listings import FoundTarget
from watcher.core.model import Target
from watcher.sources.paging import known, pages, text
from watcher.sources.parsing import blockers_reader, pascal, repository_reader, snapshot_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.core.kinds import Ask

REVISION = ("providerType", "ownerId", "repositoryName", "branch", "directory", "sha")
"""The members of a revision, in camelCase."""

SYNC_TYPE = {"SyncType": "CFN_STACK_SYNC"}
"""The parameter of every request: the only type of sync."""


async def _synced(ask: Ask) -> AsyncIterator[tuple[dict[str, str], dict[str, Any]]]:
    """Yield what is known of the repository link of each sync configuration, and the configuration.

    `ListRepositorySyncDefinitions` would have the same stacks, but its further pages cannot be asked for.
    """
    for link in await pages(ask, pascal, "ListRepositoryLinks", "repositoryLinks"):
        link_id = text(link, "RepositoryLinkId")
        of_link = {
            "repository": f"{text(link, 'OwnerId')}/{text(link, 'RepositoryName')}",
            "link": link_id,
            **known([("connection", link.get("ConnectionArn"))]),
        }
        of_this = {**SYNC_TYPE, "RepositoryLinkId": link_id}
        for each in await pages(ask, pascal, "ListSyncConfigurations", "syncConfigurations", of_this):
            yield of_link, each


async def _stacks(ask: Ask) -> list[FoundTarget]:
    """List the stacks that have a sync configuration."""
    return [
        FoundTarget(
            (("name", text(each, "ResourceName")),),
            {**link, "branch": text(each, "Branch"), **known([("config_file", each.get("ConfigFile"))])},
        )
        async for link, each in _synced(ask)
    ]


async def _repositories(ask: Ask) -> list[FoundTarget]:
    """List the branches from which stacks are synced, each with its repository link."""
    found: dict[tuple[str, str], FoundTarget] = {}
    async for link, each in _synced(ask):
        identity = (("link", link["link"]), ("branch", text(each, "Branch")))
        facts = {name: value for name, value in link.items() if name != "link"}
        found[identity[0][1], identity[1][1]] = FoundTarget(identity, facts)
    return [*found.values()]


async def _connections(ask: Ask) -> list[FoundTarget]:
    """List the connections, also those that another account shares."""
    return [
        FoundTarget(
            (("arn", text(each, "ConnectionArn")),),
            {
                "name": text(each, "ConnectionName"),
                "status": text(each, "ConnectionStatus"),
                **known([("provider", each.get("ProviderType")), ("host", each.get("HostArn"))]),
            },
        )
        for each in await pages(ask, pascal, "ListConnections", "connections")
    ]


REPOSITORY = Kind(
    name="repository",
    variant="codeconnections",
    section="repositories",
    description="A branch of a repository from which CloudFormation stacks are synced.",
    section_description="Git repositories to watch.",
    api="codeconnections",
    operation="GetRepositorySyncStatus",
    identity=(
        IdentityPart(
            "link",
            "RepositoryLinkId",
            "a repository link's ID",
            "The ID of the repository link in CodeConnections.",
            "6053346f-8a33-4edb-9397-10394b695173",
            form="write the UUID at the end of its ARN, such as 6053346f-8a33-4edb-9397-10394b695173",
        ),
        IdentityPart("branch", "Branch", "a branch name", "The branch of the repository.", "main"),
    ),
    parameters=SYNC_TYPE,
    read=repository_reader(pascal),
    title="{link} @ {branch}",
    named_by="link",
    has_revisions=False,
    listing=_repositories,
)

STACK = Kind(
    name="stack",
    section="stacks",
    description="A CloudFormation stack that is synced from Git.",
    section_description="CloudFormation stacks to watch.",
    api="codeconnections",
    operation="GetResourceSyncStatus",
    identity=(IdentityPart("name", "ResourceName", "a stack name", "The stack's name in CloudFormation.", "network"),),
    parameters=SYNC_TYPE,
    read=snapshot_reader(pascal, REVISION),
    synced_from=REPOSITORY,
    listing=_stacks,
    blockers=BlockerCall(
        operation="GetSyncBlockerSummary",
        read=blockers_reader(pascal, "SyncBlockerSummary"),
        resolve=(
            *("codeconnections", "update-sync-blocker", "--id", "{blocker}"),
            *("--sync-type", "CFN_STACK_SYNC", "--resource-name", "{name}"),
        ),
    ),
)

CONNECTION = Kind(
    name="connection",
    section="",
    description="A connection to a provider of Git repositories.",
    section_description="",
    api="codeconnections",
    operation="ListConnections",
    identity=(
        IdentityPart(
            "arn",
            "ConnectionArn",
            "a connection's ARN",
            "The ARN of the connection.",
            "arn:aws:codeconnections:us-east-1:111122223333:connection/aEXAMPLE-8aad-4d5d-8878-dfcab0bc441f",
        ),
    ),
    read=None,
    title="{name}",
    in_id=lambda arn: arn.rpartition("/")[2],
    named_by="arn",
    has_revisions=False,
    listing=_connections,
)


def connection(account: str, region: str, arn: str, **facts: str) -> Target:
    """Return a target: a connection, with what a listing says of it."""
    return CONNECTION.target(account, region, {"arn": arn}, found=facts)


def stack(account: str, region: str, name: str, **watching: Any) -> Target:
    """Return a target: a stack."""
    return STACK.target(account, region, {"name": name}, **watching)
