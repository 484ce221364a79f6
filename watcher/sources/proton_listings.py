"""Lists what Proton syncs from Git: templates, service instances, and branches of repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.core.listings import FoundTarget
from watcher.errors import MALFORMED, EndpointUnreadable
from watcher.sources.paging import items, known, or_none, pages, text
from watcher.sources.parsing import camel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.kinds import Ask


async def templates(ask: Ask) -> list[FoundTarget]:
    """List the major versions of the templates that have a sync configuration."""
    connections = await _connections(ask)
    found = []
    for template_type, what in (("ENVIRONMENT", "EnvironmentTemplate"), ("SERVICE", "ServiceTemplate")):
        for template in await pages(ask, camel, f"List{what}s", "templates"):
            name = text(template, "name")
            facts = await _synced(
                ask, connections, "TemplateSyncConfig", {"templateName": name, "templateType": template_type}
            )
            if facts is None:
                continue
            versions = await pages(ask, camel, f"List{what}Versions", "templateVersions", {"templateName": name})
            found += [
                FoundTarget((("type", template_type), ("name", name), ("version", version)), facts)
                for version in dict.fromkeys(text(each, "majorVersion") for each in versions)
            ]
    return found


async def service_instances(ask: Ask) -> list[FoundTarget]:
    """List the instances of the services that have a sync configuration."""
    connections = await _connections(ask)
    facts: dict[str, dict[str, str] | None] = {}
    found = []
    for instance in await pages(ask, camel, "ListServiceInstances", "serviceInstances"):
        service, name = text(instance, "serviceName"), text(instance, "name")
        if service not in facts:
            facts[service] = await _synced(ask, connections, "ServiceSyncConfig", {"serviceName": service})
        of_service = facts[service]
        if of_service is not None:
            found.append(FoundTarget((("service", service), ("name", name)), of_service))
    return found


async def repositories(ask: Ask) -> list[FoundTarget]:
    """List the branches from which templates or services are synced."""
    found: dict[tuple[tuple[str, str], ...], FoundTarget] = {}
    for (provider, name), connection in (await _connections(ask)).items():
        for sync_type in ("TEMPLATE_SYNC", "SERVICE_SYNC"):
            operation = "ListRepositorySyncDefinitions"  # has one page: it returns a token, and accepts none
            request = {"repositoryProvider": provider, "repositoryName": name, "syncType": sync_type}
            for each in items(await ask(operation, request), operation, "syncDefinitions"):
                branch = text(each, "branch")
                identity = (("provider", provider), ("name", name), ("branch", branch), ("sync_type", sync_type))
                found[identity] = FoundTarget(identity, {"repository": name, **connection})
    return [*found.values()]


async def _connections(ask: Ask) -> dict[tuple[str, str], dict[str, str]]:
    """Return the connection of each linked repository, by provider and name."""
    linked = await pages(ask, camel, "ListRepositories", "repositories")
    return {
        (text(each, "provider"), text(each, "name")): known([("connection", each.get("connectionArn"))])
        for each in linked
    }


async def _synced(
    ask: Ask, connections: Mapping[tuple[str, str], Mapping[str, str]], what: str, parameters: Mapping[str, Any]
) -> dict[str, str] | None:
    """Return what a sync configuration says of its repository; None: there is no configuration."""
    answer = await or_none(ask, f"Get{what}", parameters)
    synced = None if answer is None else answer.get(what[0].lower() + what[1:])
    if synced is None:
        return None
    if not isinstance(synced, dict):
        raise EndpointUnreadable(MALFORMED, f"Get{what}: the sync configuration is not a structure")
    repository = text(synced, "repositoryName")
    return {
        "repository": repository,
        **known([("branch", synced.get("branch")), ("config_file", synced.get("filePath"))]),
        **connections.get((str(synced.get("repositoryProvider")), repository), {}),
    }
