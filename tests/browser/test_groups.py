"""Rows in groups, and the strip of the last attempts of each."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.browser.worlds import FARGATE, everything
from tests.support.simulator import attempt
from watcher.core.model import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.daemon import Daemon

HEADINGS = ".section:visible .heading"
ROWS = "#table tbody tr:visible .title"


async def test_groups_in_the_address_open_where_something_is_wrong_or_a_filter_is_set(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    daemon.configure(everything(daemon.simulator), "unreadable_after: 1")
    await daemon.start()
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("2 of 6 targets need attention", timeout=30_000)
    await page.get_by_role("combobox", name="Group by").select_option("label:team")
    await expect(page).to_have_url(re.compile(r"\?group=label%3Ateam$"))
    await page.reload()
    await expect(page.locator(HEADINGS)).to_have_text(["shop", "platform", "web", "none"], timeout=30_000)
    await expect(page.locator(ROWS)).to_have_text(["deleted-long-ago", "orders-db"])
    platform = page.get_by_role("button", name="platform")
    await expect(page.get_by_role("row").filter(has=platform)).to_contain_text("2 targets2 succeeded")
    await platform.press("Enter")
    await expect(page.locator(ROWS)).to_have_count(4)
    await expect(platform).to_have_attribute("aria-expanded", "true")

    await page.get_by_role("searchbox", name="Text").fill("play")
    await expect(page.locator(HEADINGS)).to_have_text(["none"])
    await expect(page.locator(ROWS)).to_have_text(["playground"])
    await page.get_by_role("combobox", name="Group by").select_option("")
    await expect(page.locator(HEADINGS)).to_have_count(0)
    await expect(page.locator(ROWS)).to_have_text(["playground"])


async def test_a_strip_tells_the_attempts_and_the_commits_that_are_synced_and_desired(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    show, began = daemon.simulator.world.show, time.time()
    show(FARGATE, attempt(FARGATE, SUCCEEDED, began - 60, "62c0f1e9" * 5))
    daemon.configure([FARGATE])
    await daemon.start()
    page = await visit()
    row = page.locator("#table tbody tr").first
    await expect(row.get_by_role("img")).to_have_attribute("aria-label", "1 attempt: 1 succeeded; the latest succeeded")
    await expect(row.locator(".commits")).to_have_text("62c0f1e")
    show(FARGATE, attempt(FARGATE, FAILED, began, "9a8b7c6d" * 5))
    strip = "2 attempts: 1 failed, 1 succeeded; the latest failed"
    await expect(row.get_by_role("img")).to_have_attribute("aria-label", strip, timeout=30_000)
    await expect(row.locator(".commits")).to_have_text("62c0f1e → is synced; desired: 9a8b7c6")
