"""The kind `stack`, of AWS CodeConnections (`GetResourceSyncStatus`); its answers are in PascalCase.

The service model requires `LatestSync`, yet an answer without it is read as a stack that never synced, as it is for
every kind.
"""

from typing import Any

from watcher.core.kinds import IdentityPart, Kind
from watcher.core.model import Target
from watcher.sources.parsing import pascal, snapshot_reader

REVISION = ("providerType", "ownerId", "repositoryName", "branch", "directory", "sha")
"""The members of a revision, in camelCase."""

STACK = Kind(
    name="stack",
    section="stacks",
    description="A CloudFormation stack that is synced from Git.",
    section_description="CloudFormation stacks to watch.",
    api="codeconnections",
    operation="GetResourceSyncStatus",
    identity=(IdentityPart("name", "ResourceName", "a stack name", "The stack's name in CloudFormation.", "network"),),
    parameters={"SyncType": "CFN_STACK_SYNC"},
    read=snapshot_reader(pascal, REVISION),
)


def stack(account: str, region: str, name: str, **watching: Any) -> Target:
    """Return a target: a stack."""
    return STACK.target(account, region, {"name": name}, **watching)
