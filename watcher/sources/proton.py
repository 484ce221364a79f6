"""The kind `template`, of AWS Proton (`GetTemplateSyncStatus`); its answers are in camelCase."""

from typing import Any

from watcher.core.kinds import IdentityPart, Kind
from watcher.core.model import Target
from watcher.sources.parsing import camel, snapshot_reader

REVISION = ("repositoryProvider", "repositoryName", "branch", "directory", "sha")
"""The members of a revision."""

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
    read=snapshot_reader(camel, REVISION),
    title="{name} v{version} ({type})",
)


def template(account: str, region: str, type_: str, name: str, version: str, **watching: Any) -> Target:
    """Return a target: a major version of a Proton template."""
    return TEMPLATE.target(account, region, {"type": type_, "name": name, "version": version}, **watching)
