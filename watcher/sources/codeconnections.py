"""AWS CodeConnections: `GetResourceSyncStatus` of stacks that CloudFormation Git sync keeps (PascalCase).

The service model requires `LatestSync`, yet an answer without it is read as a stack that never synced, as the contract
has it for every kind (section 5, rule 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.core.model import Api
from watcher.sources.parsing import Spelling, snapshot_of

if TYPE_CHECKING:
    from watcher.core.model import Snapshot, Target

SPELLING = Spelling(
    latest_sync="LatestSync",
    latest_successful_sync="LatestSuccessfulSync",
    desired_state="DesiredState",
    started_at="StartedAt",
    status="Status",
    target="Target",
    initial_revision="InitialRevision",
    target_revision="TargetRevision",
    events="Events",
    event="Event",
    time="Time",
    type="Type",
    external_id="ExternalId",
    revision=(
        ("ProviderType", "providerType"),
        ("OwnerId", "ownerId"),
        ("RepositoryName", "repositoryName"),
        ("Branch", "branch"),
        ("Directory", "directory"),
        ("Sha", "sha"),
    ),
)


class StackSync:
    """The sync of a CloudFormation stack with its repository."""

    api = Api.CODECONNECTIONS
    operation = "get_resource_sync_status"

    def request(self, target: Target) -> dict[str, str]:
        """The call's parameters."""
        return {"ResourceName": target.name, "SyncType": "CFN_STACK_SYNC"}

    def read(self, answer: dict[str, Any]) -> Snapshot:
        """The answer's meaning; see `snapshot_of` for what it raises."""
        return snapshot_of(answer, SPELLING)
