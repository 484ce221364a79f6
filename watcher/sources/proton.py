"""The kinds of AWS Proton: `template`, `service-instance` and `repository`. Its answers are in camelCase."""

from typing import Any

from watcher.core.kinds import BlockerCall, IdentityPart, Kind
from watcher.core.model import Target
from watcher.sources import proton_listings
from watcher.sources.parsing import blockers_reader, camel, repository_reader, snapshot_reader

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
    listing=proton_listings.templates,
)

SERVICE_INSTANCE = Kind(
    name="service-instance",
    section="service_instances",
    description="A Proton service instance that is synced from Git.",
    section_description="Proton service instances to watch.",
    api="proton",
    operation="GetServiceInstanceSyncStatus",
    identity=(
        IdentityPart("service", "serviceName", "a service name", "The service's name in Proton.", "shop"),
        IdentityPart("name", "serviceInstanceName", "an instance name", "The instance's name in Proton.", "shop-prod"),
    ),
    read=snapshot_reader(camel, REVISION),
    blockers=BlockerCall(
        operation="GetServiceSyncBlockerSummary",
        read=blockers_reader(camel, "serviceSyncBlockerSummary"),
        resolve=("proton", "update-service-sync-blocker", "--id", "{blocker}"),
    ),
    title="{service}/{name}",
    listing=proton_listings.service_instances,
)

REPOSITORY = Kind(
    name="repository",
    variant="proton",
    section="repositories",
    description="A branch of a repository from which Proton templates or services are synced.",
    section_description="Git repositories to watch.",
    api="proton",
    operation="GetRepositorySyncStatus",
    identity=(
        IdentityPart(
            "provider",
            "repositoryProvider",
            "a repository provider",
            "Who hosts the repository.",
            "GITHUB",
            choices=("GITHUB", "GITHUB_ENTERPRISE", "BITBUCKET"),
        ),
        IdentityPart("name", "repositoryName", "a repository name", "The repository's name.", "example-org/templates"),
        IdentityPart("branch", "branch", "a branch name", "The branch of the repository.", "main"),
        IdentityPart(
            "sync_type",
            "syncType",
            "a sync type",
            "What is synced from the repository.",
            "TEMPLATE_SYNC",
            choices=("TEMPLATE_SYNC", "SERVICE_SYNC"),
        ),
    ),
    read=repository_reader(camel),
    title="{name} @ {branch} ({sync_type})",
    has_revisions=False,
    listing=proton_listings.repositories,
)


def template(account: str, region: str, type_: str, name: str, version: str, **watching: Any) -> Target:
    """Return a target: a major version of a Proton template."""
    return TEMPLATE.target(account, region, {"type": type_, "name": name, "version": version}, **watching)
