"""A small world of two simulated accounts, and real clients of a simulator."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from tests.support.simulator import Simulator
from tests.support.waiting import PATIENCE
from watcher.core.model import SUCCEEDED
from watcher.simulator.inventory import Connection, Repository
from watcher.simulator.scenario import Scenario
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.core.kinds import Kind

REGION = "us-east-1"
ONE, TWO = "111111111111", "222222222222"
LINK = "6053346f-8a33-4edb-9397-10394b695173"
SETTLED = Timeline((Scene(Status(SUCCEEDED, NewAttempt())),))
SYNC_TYPE = {"SyncType": "CFN_STACK_SYNC"}
SESSION = get_session()
"""Shared, because it keeps the service models that it has loaded."""


def subject(kind: Kind, *identity: str, **fields: Any) -> Subject:
    """A target of the simulator, by the values of its identity."""
    return Subject(kind, tuple(zip((part.name for part in kind.identity), identity, strict=True)), **fields)


def two_accounts(**fields: Any) -> Scenario:
    """One account with three stacks in a repository and some targets of Proton, and one with a single stack.

    The access keys are `ONE` and `TWO`.
    """
    subjects = [
        *(subject(STACK, f"stack-{n}", account=ONE, repository="org/platform", region=REGION) for n in range(3)),
        subject(STACK, "other", account=TWO, repository="org/other", region=REGION),
        subject(TEMPLATE, "ENVIRONMENT", "vpc", "1", account=ONE, repository="org/templates"),
        subject(TEMPLATE, "ENVIRONMENT", "vpc", "2", account=ONE, repository="org/templates"),
        subject(TEMPLATE, "SERVICE", "web", "1", account=ONE, repository="org/templates", synced=False),
        subject(SERVICE_INSTANCE, "shop", "shop-prod", account=ONE, repository="org/shop"),
    ]
    return Scenario(
        "test",
        tuple((each, SETTLED) for each in subjects),
        repositories=(Repository("org/platform", connection="shared", account=ONE, link=LINK),),
        connections=(Connection("shared", account=ONE, owner=TWO, statuses=((0.0, "PENDING"),)),),
        accounts={"ONE": ONE, "TWO": TWO},
        **fields,
    )


def client_of(
    simulator: Simulator,
    service: str,
    *,
    region: str = REGION,
    keys: tuple[str, str, str | None] = ("any",) * 2 + (None,),
) -> Any:
    """A context manager of a client with an access key, its secret, and a session token or None."""
    return SESSION.create_client(
        service,
        region_name=region,
        endpoint_url=simulator.url,
        config=AioConfig(retries={"total_max_attempts": 1}, read_timeout=PATIENCE, connect_timeout=PATIENCE),
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        aws_session_token=keys[2],
    )


@contextlib.asynccontextmanager
async def client(scenario: Scenario, service: str, access_key: str = "ONE") -> AsyncIterator[Any]:
    """A client of a simulator of this scenario, which is its attribute `simulator`."""
    simulator = Simulator(scenario)
    await simulator.start()
    try:
        async with client_of(simulator, service, keys=(access_key, "any", None)) as made:
            made.simulator = simulator
            yield made
    finally:
        await simulator.stop()
