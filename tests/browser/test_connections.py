"""A connection on the page: its status, what a person must do, and the way to the console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from watcher.simulator.inventory import Connection
from watcher.simulator.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.daemon import Daemon


@pytest.fixture
def scenario() -> Scenario:
    """A connection that is pending, and one that is available."""
    return Scenario("page", connections=(Connection("gitlab", statuses=((0.0, "PENDING"),)), Connection("github")))


@pytest.fixture
async def daemon(daemon: Daemon) -> Daemon:
    """A daemon that watches the connections."""
    daemon.configure((), "discover: [{kind: connection, every: 1s}]")
    await daemon.start()
    return daemon


async def test_a_pending_connection_needs_attention_and_its_page_leads_to_the_console(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    assert daemon.app
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("1 of 2 targets needs attention")
    row = page.locator("#table").get_by_role("row").filter(has_text="gitlab")
    await expect(row).to_contain_text("Unavailable: pending")
    await expect(row).to_contain_text("until a person finishes its handshake")
    await expect(page.locator("#table").get_by_role("row").filter(has_text="github")).to_contain_text("Available")
    await page.locator("#table").get_by_role("link", name="gitlab", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("gitlab")
    console = page.get_by_role("link", name="AWS console")
    (uuid,) = (each.id.rpartition("/")[2] for each in daemon.app.view.config.targets if each.title == "gitlab")
    assert (await console.get_attribute("href")).endswith(f"/us-east-1/codeconnections/connections/{uuid}")
    await expect(page.get_by_text("with all connections")).to_be_visible()
    await expect(page.get_by_text("by another daemon")).to_have_count(0)
    event = page.get_by_role("region", name="Events and their deliveries").get_by_role("listitem").first
    await expect(event).to_contain_text("Unavailable")
    await expect(event).to_contain_text("PENDING")


async def test_the_page_of_a_connection_has_its_incident_and_its_badge_and_no_attempts(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    page = await visit()
    row = page.locator("#table").get_by_role("row").filter(has_text="gitlab")
    await expect(row).to_contain_text(re.compile(r"open for \d+ s"))
    await row.get_by_role("link", name="gitlab", exact=True).click()
    article = page.get_by_role("article")
    await expect(article.locator(".answer")).to_contain_text(re.compile(r"Incident open for \d+ s"))
    await expect(article.get_by_role("heading", level=2)).to_have_text(
        ["Details", "Events and their deliveries", "Command line", "More"]
    )
    badge = await page.request.get(str(await article.get_by_role("link", name="badge").evaluate("(link) => link.href")))
    assert "<title>gitlab: connection pending</title>" in await badge.text()
