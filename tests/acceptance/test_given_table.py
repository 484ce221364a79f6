"""A daemon on a table as `deploy/cloudformation.yaml` makes it, with nothing but what the task's role allows."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import TYPE_CHECKING

from tests.acceptance.conftest import NETWORK
from tests.support.ports import unused_port
from tests.support.waiting import PATIENCE, until
from tests.unit.deploy.choices import MAKING, watcher_stack
from tests.unit.deploy.test_permissions import actions, permissions

if TYPE_CHECKING:
    from tests.acceptance.conftest import Places
    from tests.support.dynamodb_tables import Gate
    from tests.support.emulators import Emulator
    from tests.support.simulator import Simulator


async def test_a_daemon_prepares_its_table_and_calls_nothing_that_its_role_does_not_allow(
    places: Places, simulator: Simulator, ministack: Emulator, gate: Gate
) -> None:
    stack, name, site = watcher_stack(MAKING), ministack.name(), places(simulator)
    made = stack.properties("Table")
    wanted = {key: made[key] for key in ("KeySchema", "AttributeDefinitions", "BillingMode")}
    ministack.client("dynamodb").create_table(TableName=name, **wanted)
    site.environment["WATCHER_TABLE"] = name
    site.configure(
        [NETWORK],
        f"state: 'dynamodb://${{WATCHER_TABLE}}?endpoint_url={gate.url}'",
        "http: {listen: '127.0.0.1:0'}",
    )
    first = site.start("run", "--emf", "Watcher")
    await until(lambda: b"watcher.target.unreadable" in first.delivered(), lambda: f"an event; it said {first.said()}")
    (listening,) = first.logged("http.started")
    for path in ("/readyz", "/metrics", "/api/sinks", "/api/events", f"/api/targets/{NETWORK.id}"):
        assert await asyncio.to_thread(answered, listening["url"].rstrip("/") + path) == 200
    assert await first.stopped() == 0, first.said()
    second = site.start()
    await site.polled(second, 3)
    assert await second.stopped() == 0, second.said()
    assert b"watcher.target.unreadable" not in second.printed(), "it knows what the first one told"
    called = set(gate.seen)
    assert called >= {"GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
    needed = {permission for operation in called for permission in permissions("dynamodb", operation)}
    assert needed <= set(actions(stack.statements("TaskRole")))


async def test_a_missing_table_ends_the_daemon_with_what_to_do(
    places: Places, simulator: Simulator, ministack: Emulator
) -> None:
    site = places(simulator)
    site.configure([NETWORK], f"state: 'dynamodb://{ministack.name()}?endpoint_url={ministack.url}'")
    code, out, said = await site.run("run")
    assert (code, out) == (73, "")
    assert f"there is no such table in us-east-1 at {ministack.url}; `watcher state init` creates it" in said


def answered(url: str) -> int:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310  the URL is our own
        return int(answer.status)


async def test_a_start_waits_for_a_table_that_does_not_respond_and_ends_on_a_signal(
    places: Places, simulator: Simulator
) -> None:
    site = places(simulator)
    site.configure(
        [NETWORK], f"state: 'dynamodb://watcher?region=us-east-1&endpoint_url=http://127.0.0.1:{unused_port()}'"
    )
    child = site.start()
    await until(lambda: child.logged("store.unavailable") or not child.running, lambda: f"a try; {child.said()}")
    assert await child.stopped() == 0, child.said()
    assert "Traceback" not in child.said()
