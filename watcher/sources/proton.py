"""The kind `template`, of AWS Proton (`GetTemplateSyncStatus`); its answers are in camelCase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.core.kinds import IdentityPart, Kind
from watcher.sources.parsing import Spelling, snapshot_reader

if TYPE_CHECKING:
    from watcher.core.model import Target

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

TEMPLATE = Kind(
    name="template",
    section="templates",
    description="One major version of a Proton template that is synced from Git.",
    section_description="Proton templates to watch.",
    api="proton",
    operation="GetTemplateSyncStatus",
    identity=(
        IdentityPart(
            "type",
            "templateType",
            "a template type",
            "What the template is for.",
            "ENVIRONMENT",
            choices=("ENVIRONMENT", "SERVICE"),
        ),
        IdentityPart("name", "templateName", "a template name", "The template's name in Proton.", "fargate-env"),
        IdentityPart("version", "templateVersion", "a major version", "The major version.", 1, number=True),
    ),
    read=snapshot_reader(SPELLING),
    title="{name} v{version} ({type})",
)


def template(account: str, region: str, type_: str, name: str, version: str, **watching: Any) -> Target:
    """Return a target: a major version of a Proton template."""
    return TEMPLATE.target(account, region, {"type": type_, "name": name, "version": version}, **watching)
