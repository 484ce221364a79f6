"""Texts from AWS and from the configuration are shown as text: they run nothing, and cause no request to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.browser.worlds import SCRIPT, TURNED, hostile

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.daemon import Daemon


async def test_hostile_texts_are_shown_as_they_are_and_run_nothing(daemon: Daemon, visit: Callable[..., Any]) -> None:
    """The fixture checks after every test that no other host got a request, and that no policy was violated."""
    targets = hostile(daemon.simulator)
    daemon.configure(targets, "unreadable_after: 1")
    await daemon.start()
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("All 4 targets need attention", timeout=30_000)
    await expect(page.locator("#event-list li")).to_have_count(4, timeout=30_000)
    rows = page.locator("#table tbody")
    await expect(rows.get_by_text(SCRIPT).first).to_be_visible()
    await expect(rows.get_by_text(f"<b>team</b>={SCRIPT}").first).to_be_visible()
    await expect(rows.get_by_text(TURNED).first).to_be_attached()
    await page.get_by_role("combobox", name="Label").select_option(f"<b>team</b>={SCRIPT}")
    await page.get_by_role("searchbox", name="Text").fill(SCRIPT)
    await expect(page.locator("#shown")).to_contain_text("of 4 targets")
    assert await page.evaluate("[window.ran, document.querySelectorAll('main b, main img, main script').length]") == [
        None,
        0,
    ]

    for each in targets:
        await page.goto(f"{daemon.url}/targets/{each.id}")
        await expect(page.locator("article h1")).to_have_text(each.name)
        hrefs = await page.evaluate("[...document.querySelectorAll('a')].map((each) => each.protocol)")
        assert set(hrefs) <= {"http:", "https:"}
        assert await page.evaluate("[window.ran, document.querySelectorAll('main b, main script').length]") == [None, 0]


async def test_a_hostile_address_is_only_text_too(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(hostile(daemon.simulator)[-1:])
    await daemon.start()
    page = await visit(
        "/?text=<script>window.ran=1</script>&label=<img%20src=x%20onerror=window.ran=1>=1&status=__proto__"
    )
    await expect(page.locator("#none")).to_be_visible()
    await expect(page.get_by_role("searchbox", name="Text")).to_have_value("<script>window.ran=1</script>")
    await page.goto(f"{daemon.url}/targets/<script>window.ran=1</script>")
    await expect(page.get_by_role("heading", level=1)).to_have_text("There is no such target")
    assert await page.evaluate("window.ran") is None
