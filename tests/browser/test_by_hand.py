"""Mutes and acknowledgements from the page, with a token that the tab keeps, and commands that it copies."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.browser.worlds import green
from tests.support.simulator import attempt
from watcher.core.model import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.browser.daemon import Daemon

TOKEN = "a-token-of-those-who-may-write"
SOON = 30_000


async def failing(daemon: Daemon, visit: Callable[..., Any], *, write_token: bool, **context: Any) -> Page:
    """The page of a daemon with three stacks that succeed and one that fails."""
    targets = green(daemon.simulator)
    daemon.simulator.world.show(targets[2], attempt(targets[2], FAILED, time.time() - 60, events=("It broke",)))
    daemon.configure(targets)
    if write_token:
        text = daemon.file.read_text(encoding="utf-8")
        daemon.file.write_text(text.replace("http: {", f"http: {{write_token: {TOKEN}, "), encoding="utf-8")
    await daemon.start()
    page: Page = await visit(**context)
    await expect(page.locator("#problems li")).to_contain_text("It broke", timeout=SOON)
    return page


async def test_a_problem_is_acknowledged_muted_and_the_mute_ended_with_a_token_that_is_asked_for_once(
    daemon: Daemon, visit: Callable[..., Any], axe: str
) -> None:
    page = await failing(daemon, visit, write_token=True)
    problem, form = page.locator("#problems li"), page.get_by_role("dialog")
    await problem.get_by_role("button", name="Acknowledge stack-2").click()
    await page.evaluate(axe)
    found = await page.evaluate("axe.run('dialog', { resultTypes: ['violations'] })")
    assert [each["id"] for each in found["violations"]] == []
    await form.get_by_label("Your name").fill("ann")
    await form.get_by_label("Write token").fill("a wrong one")
    await form.get_by_role("button", name="Acknowledge").click()
    await expect(form.get_by_role("alert")).to_contain_text("http.write_token", timeout=SOON)
    await form.get_by_label("Write token").fill(TOKEN)
    await form.get_by_role("button", name="Acknowledge").click()
    await expect(form).to_be_hidden(timeout=SOON)
    await expect(problem).to_contain_text("acknowledged by ann", timeout=SOON)
    await expect(problem.get_by_role("button", name="Acknowledge stack-2")).to_have_count(0)

    await problem.get_by_role("button", name="Mute stack-2").click()
    await expect(form.get_by_label("Write token")).to_be_hidden()
    assert await form.get_by_label("Your name").input_value() == "ann"
    await form.get_by_label("Reason").fill("planned work")
    await form.get_by_role("button", name="Mute", exact=True).click()
    await expect(page.locator("#table tbody tr").first).to_contain_text("muted until", timeout=SOON)
    mute = page.get_by_role("region", name="Mutes").get_by_role("listitem")
    await expect(mute).to_contain_text(re.compile(r"stack-2planned workby ann, until"))
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [each["id"] for each in found["violations"]] == []

    await mute.get_by_role("button", name=re.compile("End the mute")).click()
    await form.get_by_role("button", name="End the mute").click()
    await expect(page.locator("#mutes")).to_be_hidden(timeout=SOON)
    await expect(page.locator("#table tbody tr").first).not_to_contain_text("muted until", timeout=SOON)
    assert await page.evaluate("localStorage.length + document.cookie.length") == 0


async def test_the_buttons_of_a_target_work_if_its_page_is_opened_first(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    page = await failing(daemon, visit, write_token=True)
    await page.locator("#problems").get_by_role("link", name="stack-2").click()
    await page.reload()
    article, form = page.get_by_role("article"), page.get_by_role("dialog")
    await article.get_by_role("button", name="More about stack-2").click(timeout=SOON)
    await expect(page.locator("#menu")).to_contain_text("Acknowledge its incident")
    await page.keyboard.press("Escape")
    await article.get_by_role("button", name="Mute stack-2").click()
    await expect(form.get_by_label("Targets")).to_have_value("prod/us-east-1/stack/stack-2")


async def test_without_a_write_token_the_page_offers_the_commands_instead(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    page = await failing(daemon, visit, write_token=False, permissions=["clipboard-read", "clipboard-write"])
    await expect(page.get_by_role("button", name=re.compile("^(Mute|Acknowledge)"))).to_have_count(0)
    more = page.locator("#problems").get_by_role("button", name="More about stack-2")
    await more.click()
    menu = page.locator("#menu")
    await expect(menu.get_by_role("button", name=re.compile("Mute it for two hours"))).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(more).to_be_focused()
    await page.locator("#table").get_by_role("button", name="Copy the command that shows the events of stack-2").click()
    command = "watcher events --target prod/us-east-1/stack/stack-2"
    await expect(page.get_by_role("status").filter(has_text="Copied")).to_have_text(f"Copied: {command}")
    assert await page.evaluate("navigator.clipboard.readText()") == command
