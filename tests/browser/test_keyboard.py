"""The page can be used without a mouse, and the focus is always visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.browser.worlds import everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.browser.daemon import Daemon

FOCUSED = """(() => {
  const node = document.activeElement;
  const name = node.getAttribute("name") ?? node.getAttribute("aria-label") ?? node.textContent;
  const { outlineStyle, outlineWidth } = getComputedStyle(node);
  return [name.trim(), outlineStyle !== "none" && outlineWidth !== "0px"];
})()"""


async def tab_to(page: Page, name: str, most: int = 40) -> None:
    """Press the tab key until something of this name has the focus, and shows it."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        found, outlined = await page.evaluate(FOCUSED)
        assert outlined, f"nothing shows that {found!r} has the focus"
        if found == name:
            return
    raise AssertionError(f"{name!r} was not reached")


async def test_filter_open_and_come_back_by_keyboard_alone(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(everything(daemon.simulator), "unreadable_after: 1")
    await daemon.start()
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("2 of 6 targets need attention", timeout=30_000)

    await tab_to(page, "Skip to content", 1)
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await tab_to(page, "text")
    await page.keyboard.type("network")
    await expect(page.locator("#shown")).to_have_text("1 of 6 targets")
    await tab_to(page, "network")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="network")).to_be_focused()

    await page.keyboard.press("Shift+Tab")
    assert await page.evaluate(FOCUSED) == ["← All targets", True]
    await page.keyboard.press("Enter")
    await expect(page.locator("#table").get_by_role("link", name="network", exact=True)).to_be_focused()
    await expect(page.get_by_role("searchbox", name="Text")).to_have_value("network")


async def test_a_chip_is_pressed_by_the_space_bar_and_says_so(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(everything(daemon.simulator), "unreadable_after: 1")
    await daemon.start()
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("2 of 6 targets need attention", timeout=30_000)
    await tab_to(page, "1 failed")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("button", name="1 failed")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#shown")).to_have_text("1 of 6 targets")


async def test_a_reader_gets_landmarks_headings_and_a_real_table(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(everything(daemon.simulator), "unreadable_after: 1")
    await daemon.start()
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("2 of 6 targets need attention", timeout=30_000)
    for landmark in ("banner", "main", "contentinfo", "search"):
        await expect(page.get_by_role(landmark)).to_have_count(1)
    assert await page.get_by_role("heading").all_inner_texts() == [
        "2 of 6 targets need attention", "Targets", "Latest events live", "Endpoints", "Sinks",
    ]  # fmt: skip
    table = page.get_by_role("table", name="Targets")
    await expect(table.get_by_role("columnheader")).to_have_text(
        ["Status", "Target", "Last attempts", "Commit", "Answered", "Actions", "Note"]
    )
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="orders-db"))
    await expect(row.get_by_role("cell").first).to_contain_text("Failed")
    assert await row.get_by_role("cell").count() == 6
