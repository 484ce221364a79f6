"""The panels of discovery and of hints: what was found, when a message came, and why a source cannot be read."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.daemon import REGION, Daemon
from tests.support.simulator import attempt
from watcher.core.model import SUCCEEDED
from watcher.simulator.git_events import QueueSettings
from watcher.simulator.inventory import ACCOUNT, Connection, Place
from watcher.simulator.scenario import Scenario
from watcher.sources.codeconnections import stack

SOON = 60_000
SENT = {"detail-type": "Git Sync Resource Sync Status Change", "account": ACCOUNT, "region": REGION, "detail": {}}


@pytest.fixture
def scenario() -> Scenario:
    """Two connections and a queue."""
    connections = (Connection("gitlab"), Connection("github"))
    return Scenario("page", connections=connections, queues=(QueueSettings("git-sync"),))


async def test_the_panel_of_discovery_shows_what_each_listing_found_and_why_one_fails(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    network = stack("default", REGION, "network")
    daemon.simulator.world.show(network, attempt(network, SUCCEEDED, 0))
    daemon.configure([network], "discover: [{kind: connection, every: 1s}]")
    await daemon.start()
    page = await visit()
    panel = page.get_by_role("region", name="Discovery")
    listing = panel.get_by_role("listitem")
    await expect(listing).to_have_count(1)
    await expect(listing).to_contain_text("Listed", timeout=SOON)
    await expect(listing).to_contain_text(f"default · {REGION} · connection")
    await expect(listing).to_contain_text("2 targets watched of 2 found, listed every 1 s")
    await expect(page.get_by_role("region", name="Hints")).to_be_hidden()

    daemon.simulator.world.fault(None, "access_denied", operation="ListConnections")
    await expect(listing).to_contain_text("Failed", timeout=SOON)
    await expect(listing.locator(".problem")).to_contain_text("AccessDenied")
    await expect(listing).to_contain_text("2 targets watched of 2 found")
    await expect(page.locator("#answer")).to_have_text(re.compile("^A listing failed. "))
    await expect(page.locator("#problems li")).to_contain_text("Listing failed")


async def test_the_panel_of_hints_shows_each_queue_with_its_messages_and_why_it_cannot_be_read(
    daemon: Daemon, visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.aws.queue.WAIT_SECONDS", 1)
    url = f"{daemon.simulator.url}/{ACCOUNT}/git-sync"
    daemon.configure((), "discover: [{kind: connection, every: 1s}]", f"hints: [{{queue: '{url}'}}]")
    await daemon.start()
    page = await visit()
    queue = page.get_by_role("region", name="Hints", exact=True).get_by_role("listitem")
    await expect(queue).to_have_count(1)
    await expect(queue).to_contain_text("Read", timeout=SOON)
    await expect(queue).to_contain_text("last message never")
    await expect(queue).to_contain_text(f"{url}0 messages since the start")

    world = daemon.simulator.world
    world.bus.queues[Place(ACCOUNT, REGION), "git-sync"].send(json.dumps(SENT), world.now())
    await expect(queue).to_contain_text("1 message since the start", timeout=SOON)
    await expect(queue).to_contain_text(re.compile(r"last message (just now|\d+ s ago)"))

    world.fault(None, "access_denied", api="sqs")
    await expect(queue).to_contain_text("Cannot be read", timeout=SOON)
    await expect(queue.locator(".problem")).to_contain_text("AccessDenied")
    await expect(page.locator("#answer")).to_have_text(re.compile("^A queue of hints cannot be read. "))
    await expect(page.locator("#problems li")).to_contain_text("AccessDenied")
