"""Both themes, on a phone and on a desktop: nothing scrolls sideways, and axe-core finds no violation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESK, PHONE
from tests.browser.worlds import ORDERS, everything, green, hostile

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.browser.daemon import Daemon

SIZES = pytest.mark.parametrize("size", [pytest.param(PHONE, id="375"), pytest.param(DESK, id="1440")])
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])

FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
STICKING_OUT = """[...document.querySelectorAll("body *")].filter((each) => {
  const { right, left, width } = each.getBoundingClientRect();
  if (!width || (right <= innerWidth + 1 && left >= -1)) return false;
  return each.checkVisibility() && !each.closest(HIDDEN) && !each.closest(CUT)?.contains(each);
}).map((each) => `${each.localName}.${each.className}`)""".replace("HIDDEN", "'.unseen, .rows thead'").replace(
    "CUT", "'.c-status, .c-target, .c-commit, .c-note, #event-list li'"
)
"""The elements outside of the window, but for those whose cell cuts them off."""
AXE = "axe.run(document, { resultTypes: ['violations', 'incomplete'] })"


async def violations(page: Page, axe: str) -> list[str]:
    """The violations that axe-core finds, each with its first place."""
    await page.evaluate(axe)
    found = await page.evaluate(AXE)
    assert len(found["passes"]) > 20, "axe-core did not look"
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}" for each in found["violations"]]


@SIZES
@THEMES
async def test_the_overview_a_target_and_an_empty_result_are_accessible(
    daemon: Daemon, visit: Callable[..., Any], axe: str, size: dict[str, int], theme: str
) -> None:
    daemon.configure(everything(daemon.simulator), "unreadable_after: 1")
    await daemon.start()
    page = await visit(viewport=size, color_scheme=theme)
    await expect(page.locator("#answer")).to_have_text("2 of 6 targets need attention", timeout=30_000)
    await expect(page.locator("#event-list li")).to_have_count(2, timeout=30_000)
    assert await violations(page, axe) == []
    assert await page.evaluate(STICKING_OUT) == []

    await page.get_by_role("searchbox", name="Text").fill("no such thing")
    await page.get_by_role("combobox", name="Label").select_option("stage=prod")
    await expect(page.locator("#none")).to_be_visible()
    assert await violations(page, axe) == []

    await page.goto(f"{daemon.url}/targets/{ORDERS.id}")
    await expect(page.locator("article .facts")).to_be_visible()
    await page.locator("article summary").first.click()
    assert await violations(page, axe) == []
    assert await page.evaluate(STICKING_OUT) == []


@THEMES
async def test_notices_and_a_page_without_events_are_accessible(
    daemon: Daemon, visit: Callable[..., Any], axe: str, theme: str
) -> None:
    daemon.configure(green(daemon.simulator))
    await daemon.start()
    page = await visit(color_scheme=theme)
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")
    await expect(page.locator("#live")).to_have_text("live")
    assert await violations(page, axe) == []
    daemon.file.write_text("stacks: [{nam: wrong}]", encoding="utf-8")
    assert daemon.reload
    daemon.reload.ask()
    await expect(page.locator("#faults")).to_be_visible()
    await daemon.stop()
    await expect(page.locator("#lost")).to_be_visible()
    assert await violations(page, axe) == []


async def test_the_themes_differ_as_the_system_asks(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(green(daemon.simulator))
    await daemon.start()
    page = await visit()
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)"
    assert await page.evaluate(ground) > 600
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(ground) < 150


@SIZES
async def test_long_and_hostile_texts_widen_nothing(
    daemon: Daemon, visit: Callable[..., Any], size: dict[str, int]
) -> None:
    targets = hostile(daemon.simulator)
    daemon.configure(targets, "unreadable_after: 1")
    await daemon.start()
    page = await visit(viewport=size)
    await expect(page.locator("#answer")).to_have_text("All 4 targets need attention", timeout=30_000)
    await expect(page.locator("#event-list li")).to_have_count(4, timeout=30_000)
    assert await page.evaluate(FITS)
    assert await page.evaluate(STICKING_OUT) == []
    for each in targets:
        await page.goto(f"{daemon.url}/targets/{each.id}")
        await expect(page.locator("article .facts")).to_be_visible()
        await page.locator("article summary").first.click()
        assert await page.evaluate(FITS)
        assert await page.evaluate(STICKING_OUT) == []


async def test_without_its_script_the_page_says_where_else_to_look(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(green(daemon.simulator))
    await daemon.start()
    page = await visit(java_script_enabled=False)
    await expect(page.get_by_role("heading", name="This page needs JavaScript")).to_be_visible()
    await expect(page.locator("noscript code")).to_be_visible()
    assert await page.get_by_role("link", name="/api/targets").get_attribute("href") == "./api/targets"
