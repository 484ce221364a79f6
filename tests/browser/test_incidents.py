"""Open incidents on the page: which targets come first, for how long each has been open, and with which problems."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESK, PHONE
from tests.browser.daemon import Daemon
from tests.browser.test_looks import STICKING_OUT, violations
from tests.browser.worlds import green
from tests.support.simulator import attempt
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.subject import Blocker, Span

ROWS = "#table tbody tr:visible"
SOON = 30_000


async def test_a_target_that_is_retried_stays_first_with_its_incident_until_a_success(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    targets = green(daemon.simulator)
    last, show = targets[-1], daemon.simulator.world.show
    show(last, attempt(last, FAILED, time.time() - 60))
    daemon.configure(targets)
    await daemon.start()
    page = await visit()
    rows, first = page.locator(ROWS), page.locator(ROWS).first
    await expect(first).to_contain_text("stack-3", timeout=SOON)
    await expect(first.locator(".incident")).to_have_text(re.compile(r"^open for \d+ s$"))
    await expect(page.locator(".incident:visible")).to_have_count(1)

    began = time.time()
    show(last, attempt(last, IN_PROGRESS, began))
    await expect(page.locator("#answer")).to_have_text("None of 4 targets needs attention", timeout=SOON)
    await expect(page.locator("#answer-detail")).to_have_text(
        "1 syncing, 3 succeeded, 1 of these with an open incident"
    )
    await expect(first).to_contain_text("stack-3")
    await expect(first).to_contain_text("In progress")
    await expect(first.locator(".incident")).to_contain_text(": failed")
    await page.reload()  # now the order is that of /api/targets
    await expect(first).to_contain_text("stack-3")

    show(last, attempt(last, SUCCEEDED, began))
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green", timeout=SOON)
    await expect(page.locator(".incident:visible")).to_have_count(0)
    await expect(rows.last).to_contain_text("stack-3")


@pytest.mark.parametrize("size", [pytest.param(PHONE, id="375"), pytest.param(DESK, id="1440")])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_an_incident_with_several_problems_is_accessible_in_the_list_and_on_the_page_of_its_target(
    daemon: Daemon, visit: Callable[..., Any], axe: str, size: dict[str, int], theme: str
) -> None:
    targets = green(daemon.simulator)
    target, world = targets[2], daemon.simulator.world
    world.show(target, attempt(target, FAILED, time.time() - 60))
    daemon.configure(targets)
    await daemon.start()
    page = await visit(viewport=size, color_scheme=theme)
    row = page.locator(ROWS).first
    await expect(row).to_contain_text("Failed", timeout=SOON)
    world.change(target, blockers=(Blocker(Span(), "no such template"),))
    both = re.compile(r"open for \d+ s: failed, blocked")
    await expect(row.locator(".incident")).to_have_text(both, timeout=60_000)
    assert await violations(page, axe) == []
    assert await page.evaluate(STICKING_OUT) == []
    await row.get_by_role("link", name=target.name, exact=True).click()
    await expect(page.get_by_role("article").locator(".answer .dim")).to_have_text(both)
    assert await violations(page, axe) == []
    assert await page.evaluate(STICKING_OUT) == []
