"""The filter: which rows it shows, the URL that keeps it, and that the API selects the same targets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.worlds import everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.browser.daemon import Daemon

TOLD = """(query) => fetch(`/api/targets?${query}`)
  .then((answer) => answer.json())
  .then(({ targets }) => targets.map((row) => row.title))"""
ROWS = "#table tbody tr:visible .title"


@pytest.fixture
async def page(daemon: Daemon, visit: Callable[..., Any]) -> Page:
    """The overview, once every target has the status that it is meant to have."""
    daemon.configure(everything(daemon.simulator), "unreadable_after: 1")
    await daemon.start()
    page: Page = await visit()
    await expect(page.locator("#answer")).to_have_text("2 of 6 targets need attention", timeout=30_000)
    await expect(page.locator("#answer-detail")).to_have_text(
        "1 unreadable, 1 failed; 1 never synced, 1 syncing, 2 succeeded", timeout=30_000
    )
    return page


async def titles(page: Page) -> list[str]:
    return await page.locator(ROWS).all_inner_texts()


async def shown(page: Page, count: int) -> list[str]:
    await expect(page.locator(ROWS)).to_have_count(count)
    return await titles(page)


async def test_what_needs_attention_comes_first(page: Page) -> None:
    assert await shown(page, 6) == [
        "deleted-long-ago",
        "orders-db",
        "playground",
        "web v2 (SERVICE)",
        "network",
        "fargate-env v1 (ENVIRONMENT)",
    ]


async def test_a_target_that_cannot_be_read_says_for_how_long_and_why(page: Page) -> None:
    row = page.locator("#table tbody tr").first
    status = r"^\s*Unreadable\s+open for \d+ s\s*$"
    await expect(row.get_by_role("cell").first).to_have_text(re.compile(status))
    await expect(row).to_contain_text("ResourceNotFoundException")


async def test_each_filter_narrows_what_is_shown_and_the_api_agrees(page: Page) -> None:
    async def agreed(count: int) -> list[str]:
        found = await shown(page, count)
        while await page.evaluate(TOLD, urlsplit(page.url).query) != found:  # the address follows a moment later
            await page.wait_for_timeout(50)
        return found

    await page.get_by_role("searchbox", name="Text").fill("SECURITY group")
    assert await agreed(1) == ["orders-db"]
    await page.get_by_role("searchbox", name="Text").fill("")
    await page.get_by_role("combobox", name="Account").select_option("sandbox")
    assert await agreed(2) == ["playground", "web v2 (SERVICE)"]
    await page.get_by_role("combobox", name="Kind").select_option("template")
    assert await agreed(1) == ["web v2 (SERVICE)"]
    await page.get_by_role("button", name="Clear the filters").click()
    await page.get_by_role("combobox", name="Label").select_option("team=platform")
    assert await agreed(2) == ["network", "fargate-env v1 (ENVIRONMENT)"]
    await page.get_by_role("combobox", name="Label").select_option("stage=prod")
    assert await agreed(1) == ["network"]
    await page.get_by_role("button", name="Remove the label stage=prod").click()
    await agreed(2)
    await page.get_by_role("button", name="Clear the filters").click()
    await page.get_by_role("button", name="1 failed").click()
    assert await agreed(1) == ["orders-db"]
    await page.get_by_role("button", name="1 failed").click()
    await agreed(6)


async def test_the_address_keeps_the_filter_over_a_reload(page: Page) -> None:
    await page.get_by_role("searchbox", name="Text").fill("o")
    await page.get_by_role("combobox", name="Account").select_option("prod")
    await page.get_by_role("button", name="2 succeeded").click()
    await page.get_by_role("combobox", name="Label").select_option("team=platform")
    before = await shown(page, 2)
    await expect(page).to_have_url(re.compile(r"/\?text=o&account=prod&status=succeeded&label=team%3Dplatform$"))

    await page.reload()
    assert await shown(page, 2) == before
    assert await page.get_by_role("searchbox", name="Text").input_value() == "o"
    assert await page.get_by_role("combobox", name="Account").input_value() == "prod"
    await expect(page.get_by_role("button", name="2 succeeded")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#shown")).to_have_text("2 of 6 targets")


async def test_a_filter_that_nothing_passes_says_so_and_can_be_cleared(page: Page) -> None:
    await page.get_by_role("searchbox", name="Text").fill("no such thing")
    await expect(page.get_by_text("No target matches this filter.")).to_be_visible()
    await expect(page.locator("#shown")).to_have_text("0 of 6 targets")
    await page.get_by_role("button", name="Clear the filters").click()
    await shown(page, 6)
    await expect(page).to_have_url(re.compile("/$"))
    await expect(page.get_by_role("searchbox", name="Text")).to_be_focused()
