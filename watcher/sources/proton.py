"""AWS Proton: `GetTemplateSyncStatus` (camelCase, every member optional at the top)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.core.model import Api
from watcher.sources.parsing import Spelling, snapshot_of

if TYPE_CHECKING:
    from watcher.core.model import Snapshot, Target

SPELLING = Spelling(
    latest_sync="latestSync",
    latest_successful_sync="latestSuccessfulSync",
    desired_state="desiredState",
    started_at="startedAt",
    status="status",
    target="target",
    initial_revision="initialRevision",
    target_revision="targetRevision",
    events="events",
    event="event",
    time="time",
    type="type",
    external_id="externalId",
    revision=(
        ("repositoryProvider", "repositoryProvider"),
        ("repositoryName", "repositoryName"),
        ("branch", "branch"),
        ("directory", "directory"),
        ("sha", "sha"),
    ),
)


class TemplateSync:
    """The sync of a template's major version with its repository."""

    api = Api.PROTON
    operation = "get_template_sync_status"

    def request(self, target: Target) -> dict[str, str]:
        """The call's parameters."""
        identity = dict(target.identity)
        return {
            "templateType": identity["type"],
            "templateName": identity["name"],
            "templateVersion": identity["version"],
        }

    def read(self, answer: dict[str, Any]) -> Snapshot:
        """The answer's meaning; see `snapshot_of` for what it raises."""
        return snapshot_of(answer, SPELLING)
