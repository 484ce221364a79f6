"""The kinds of AWS CodeConnections: `stack` and `repository`. Its answers are in PascalCase.

The service model requires `LatestSync`, yet an answer without it is read as a stack that never synced, as it is for
every kind.
"""

from typing import Any

from watcher.core.kinds import IdentityPart, Kind
from watcher.core.model import Target
from watcher.sources.parsing import pascal, repository_reader, snapshot_reader

REVISION = ("providerType", "ownerId", "repositoryName", "branch", "directory", "sha")
"""The members of a revision, in camelCase."""

SYNC_TYPE = {"SyncType": "CFN_STACK_SYNC"}
"""The parameter of every request: the only type of sync."""

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
        ),
        IdentityPart("branch", "Branch", "a branch name", "The branch of the repository.", "main"),
    ),
    parameters=SYNC_TYPE,
    read=repository_reader(pascal),
    title="{link} {branch}",
    named_by="link",
    has_revisions=False,
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
)


def stack(account: str, region: str, name: str, **watching: Any) -> Target:
    """Return a target: a stack."""
    return STACK.target(account, region, {"name": name}, **watching)
