"""The operations of the simulated Proton that read its inventory; sync statuses come from timelines."""

from collections.abc import Callable, Mapping

from watcher.core.model import SUCCEEDED
from watcher.simulator.aws_json import ApiError, key_of
from watcher.simulator.inventory import Connection, Inventory
from watcher.simulator.listing import Fields, Items, Operation, Request, listing
from watcher.simulator.subject import Subject
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE

API = "proton"
FOLDERS = {"ENVIRONMENT": "environment-template", "SERVICE": "service-template"}
"""What the ARNs of templates have for each type."""


def _arn(inventory: Inventory, resource: str) -> str:
    return f"arn:aws:proton:{inventory.place.region}:{inventory.place.account}:{resource}"


def _dated(inventory: Inventory) -> dict[str, float]:
    return {"createdAt": round(inventory.epoch, 3), "lastModifiedAt": round(inventory.epoch, 3)}


def _versions_of(inventory: Inventory, moment: float, type_: str) -> dict[str, list[Subject]]:
    """The major versions of each template of a type, by name."""
    found: dict[str, list[Subject]] = {}
    for subject in inventory.of_kind(TEMPLATE, moment):
        if dict(subject.identity)["type"] == type_:
            found.setdefault(subject.name, []).append(subject)
    return found


def _templates(type_: str) -> Callable[[Inventory, float, Request], list[Fields]]:
    def items(inventory: Inventory, moment: float, _: Request) -> list[Fields]:
        return [
            {"arn": _arn(inventory, f"{FOLDERS[type_]}/{name}"), "name": name, **_dated(inventory)}
            for name in sorted(_versions_of(inventory, moment, type_))
        ]

    return items


def _versions(type_: str) -> Callable[[Inventory, float, Request], list[Fields]]:
    """Without a major version in the request, one item for each; with one, its minor versions (always one here)."""

    def items(inventory: Inventory, moment: float, request: Request) -> list[Fields]:
        name = request["templateName"]
        versions = _versions_of(inventory, moment, type_).get(name)
        if versions is None:
            raise ApiError("ResourceNotFoundException", f"The template {name} was not found.")
        majors = sorted((dict(each.identity)["version"] for each in versions), key=int)
        return [
            {
                "arn": _arn(inventory, f"{FOLDERS[type_]}/{name}:{major}"),
                "templateName": name,
                "majorVersion": major,
                "minorVersion": "0",
                "status": "PUBLISHED",
                **_dated(inventory),
            }
            for major in majors
            if major == request.get("majorVersion", major)
        ]

    return items


def _template_sync_config(inventory: Inventory, moment: float, request: Request) -> Fields:
    name, type_ = request["templateName"], request["templateType"]
    synced = [each for each in _versions_of(inventory, moment, type_).get(name, ()) if each.synced]
    if not synced:
        raise ApiError("ResourceNotFoundException", f"No sync configuration of the template {name} was found.")
    return {"templateSyncConfig": {"templateName": name, "templateType": type_, **_source(synced[0], moment)}}


def _service_sync_config(inventory: Inventory, moment: float, request: Request) -> Fields:
    service = request["serviceName"]
    for each in inventory.of_kind(SERVICE_INSTANCE, moment):
        if dict(each.identity)["service"] == service and each.synced:
            file = each.settings.config_file or f"{service}/service-spec.yaml"
            return {"serviceSyncConfig": {"serviceName": service, "filePath": file, **_source(each, moment)}}
    raise ApiError("ResourceNotFoundException", f"No sync configuration of the service {service} was found.")


def _source(subject: Subject, moment: float) -> dict[str, str]:
    return {
        "repositoryProvider": subject.proton_provider,
        "repositoryName": subject.repository,
        "branch": subject.branch_at(moment),
    }


def _service_instances(inventory: Inventory, moment: float, request: Request) -> list[Fields]:
    return [
        {
            "arn": _arn(inventory, f"service/{service}/service-instance/{each.name}"),
            "name": each.name,
            "serviceName": service,
            "environmentName": "production",
            "templateName": service,
            "templateMajorVersion": "1",
            "templateMinorVersion": "0",
            "deploymentStatus": SUCCEEDED,
            "createdAt": round(inventory.epoch, 3),
            "lastDeploymentAttemptedAt": round(inventory.epoch, 3),
            "lastDeploymentSucceededAt": round(inventory.epoch, 3),
        }
        for each in inventory.of_kind(SERVICE_INSTANCE, moment)
        for service in [dict(each.identity)["service"]]
        if service == request.get("serviceName", service)
    ]


def _blocker_summary(inventory: Inventory, moment: float, request: Request) -> Fields:
    service, name = request["serviceName"], request.get("serviceInstanceName")
    of_service = [
        each
        for each in inventory.of_kind(SERVICE_INSTANCE, moment)
        if dict(each.identity)["service"] == service and name in (None, each.name)
    ]
    if not of_service:
        raise ApiError("ResourceNotFoundException", f"The service {service} was not found.")
    blockers = [blocker for each in of_service for blocker in each.blockers_at(inventory.epoch, moment)]
    named = {"serviceInstanceName": name} if name else {}
    return {"serviceSyncBlockerSummary": {"serviceName": service, **named, "latestBlockers": blockers}}


def _instance_key(request: Request) -> str:
    name = request.get("serviceInstanceName")
    return key_of(SERVICE_INSTANCE, (("service", request["serviceName"]), ("name", name))) if name else ""


def _sources(inventory: Inventory, moment: float) -> list[Subject]:
    return [*inventory.of_kind(TEMPLATE, moment), *inventory.of_kind(SERVICE_INSTANCE, moment)]


def _repositories(inventory: Inventory, moment: float, _: Request) -> list[Fields]:
    found = sorted({(each.repository, each.provider) for each in _sources(inventory, moment)})
    return [
        {
            "arn": _arn(inventory, f"repository/{provider.lower()}:{name}"),
            "connectionArn": Connection(provider.lower()).arn(inventory.place),
            "name": name,
            "provider": next(each for each in _sources(inventory, moment) if each.provider == provider).proton_provider,
        }
        for name, provider in found
    ]


def synced_from(inventory: Inventory, moment: float, provider: str, name: str, sync_type: str) -> list[Subject]:
    """The templates or the service instances that are synced from a repository."""
    kind = TEMPLATE if sync_type == "TEMPLATE_SYNC" else SERVICE_INSTANCE
    return [
        each
        for each in inventory.of_kind(kind, moment)
        if each.synced and (each.proton_provider, each.repository) == (provider, name)
    ]


def _sync_definitions(inventory: Inventory, moment: float, request: Request) -> Fields:
    found = [
        {
            "branch": each.branch_at(moment),
            "directory": each.folder(),
            "parent": each.name,
            "target": each.attempt_target,
        }
        for each in synced_from(
            inventory, moment, request["repositoryProvider"], request["repositoryName"], request["syncType"]
        )
    ]
    return {"syncDefinitions": found}


_LISTINGS: Mapping[str, tuple[str, Items]] = {
    "ListEnvironmentTemplates": ("templates", _templates("ENVIRONMENT")),
    "ListServiceTemplates": ("templates", _templates("SERVICE")),
    "ListEnvironmentTemplateVersions": ("templateVersions", _versions("ENVIRONMENT")),
    "ListServiceTemplateVersions": ("templateVersions", _versions("SERVICE")),
    "ListServiceInstances": ("serviceInstances", _service_instances),
    "ListRepositories": ("repositories", _repositories),
}

OPERATIONS: Mapping[str, Operation] = {
    **{name: listing(API, name, member, items) for name, (member, items) in _LISTINGS.items()},
    "GetTemplateSyncConfig": Operation(_template_sync_config),
    "GetServiceSyncConfig": Operation(_service_sync_config),
    "GetServiceSyncBlockerSummary": Operation(_blocker_summary, key=_instance_key),
    "ListRepositorySyncDefinitions": Operation(_sync_definitions),  # one page: a request's token is always empty
}
