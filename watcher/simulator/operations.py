"""Every operation that the simulated APIs have, and what answers it."""

from collections.abc import Mapping
from functools import cache

from watcher.core.kinds import Kind
from watcher.simulator import codeconnections, proton, sqs
from watcher.simulator.aws_json import SERVICES, key_of, model
from watcher.simulator.inventory import Inventory
from watcher.simulator.listing import Operation, Request, page_of
from watcher.simulator.subject import Subject
from watcher.sources.codeconnections import REPOSITORY, STACK
from watcher.sources.proton import REPOSITORY as PROTON_REPOSITORY
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE

STATUSES: Mapping[tuple[str, str], Kind] = {
    (kind.api, kind.operation): kind for kind in (TEMPLATE, SERVICE_INSTANCE, PROTON_REPOSITORY, STACK, REPOSITORY)
}
"""The kinds whose sync status an operation of an API returns."""

LISTINGS: Mapping[tuple[str, str], Operation] = {
    **{("codeconnections", name): operation for name, operation in codeconnections.OPERATIONS.items()},
    **{("proton", name): operation for name, operation in proton.OPERATIONS.items()},
}
"""What returns the inventory, by API and operation."""

QUEUES = tuple(("sqs", operation) for operation in ("GetQueueUrl", *sqs.OPERATIONS))

OPERATION_NAMES = tuple(sorted({operation for _, operation in (*STATUSES, *LISTINGS, *QUEUES)}))


@cache
def by_target() -> Mapping[str, tuple[str, str]]:
    """The service and the operation by `X-Amz-Target`, also in the short form of AWS's JavaScript SDK."""
    found = {}
    for service, api in SERVICES.items():
        prefix = model(service).metadata["targetPrefix"]
        for each in (prefix, prefix.rpartition(".")[2]):
            for of, operation in (*STATUSES, *LISTINGS, *QUEUES):
                if of == api:
                    found[f"{each}.{operation}"] = service, operation
    return found


def requested_key(api: str, operation: str, request: Request) -> str:
    """The key of the target that a request is about; empty if it is about none."""
    if kind := STATUSES.get((api, operation)):
        return key_of(kind, tuple((part.name, request[part.parameter]) for part in kind.identity))
    found = LISTINGS.get((api, operation))
    return found.key(request) if found else ""


def requested_page(api: str, operation: str, request: Request) -> int:
    """The number, from 1, of the page that a request asks for.

    Raises:
        ApiError: its token is not valid.
    """
    found = LISTINGS.get((api, operation))
    return page_of(api, operation, request.get(found.token))[0] if found and found.token else 1


def synced_from(kind: Kind, inventory: Inventory, moment: float, request: Request) -> list[Subject]:
    """The targets that are synced from the repository in a request for its status; of another kind, none."""
    if kind is REPOSITORY:
        found = inventory.stacks(request["RepositoryLinkId"], moment)
    elif kind is PROTON_REPOSITORY:
        found = proton.synced_from(
            inventory, moment, request["repositoryProvider"], request["repositoryName"], request["syncType"]
        )
    else:
        return []
    branch = request["Branch" if kind is REPOSITORY else "branch"]
    return [each for each in found if each.branch_at(moment) == branch]
