"""An open page shows new events, an invalid configuration and a lost daemon, and when these are over."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from playwright.async_api import expect

from tests.browser.worlds import green
from tests.support.simulator import attempt
from watcher.core.model import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from playwright.async_api import Route

    from tests.browser.daemon import Daemon

SOON = 3_000
"""Less than the ten seconds after which everything is loaded again."""


NEAR = "allow_http: true, allow_private: true"


@asynccontextmanager
async def refusing(status: int) -> AsyncIterator[str]:
    """The URL of a receiver that responds to everything with `status`."""

    async def refuse(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    runner = web.ServerRunner(web.Server(refuse))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_an_event_arrives_without_a_reload_and_changes_row_and_answer(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    targets = green(daemon.simulator)
    daemon.configure(targets)
    await daemon.start()
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")
    await expect(page.get_by_text("No events yet.")).to_be_visible()
    await expect(page.locator("#live")).to_have_text("live")
    await page.evaluate("window.same = true")

    broken = targets[3]
    daemon.simulator.world.show(broken, attempt(broken, FAILED, time.time(), events=("No template at /network.yaml",)))
    first = page.locator("#event-list li").first
    await expect(first).to_contain_text("Failed", timeout=SOON)
    await expect(first).to_contain_text("No template at /network.yaml")
    await expect(page.locator("#answer")).to_have_text("1 of 4 targets needs attention", timeout=SOON)
    await expect(page.locator("#table tbody tr").first).to_contain_text("stack-3")
    await expect(page.locator("#said")).to_have_text("stack-3: Failed")
    assert (await page.title()).startswith("(1)")
    assert await page.evaluate("window.same") is True


async def test_a_sink_that_refuses_everything_is_first_in_its_list_and_in_the_headline(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    targets = green(daemon.simulator)
    broken = targets[3]
    async with asyncio.timeout(120), refusing(415) as url:
        sinks = ["{name: out, type: stdout}", f"{{name: chat, type: webhook, url: '{url}', {NEAR}}}"]
        daemon.configure(targets, f"sinks: [{', '.join(sinks)}]")
        await daemon.start()
        page = await visit()
        await expect(page.locator("#answer")).to_have_text("All 4 targets are green")
        daemon.simulator.world.show(broken, attempt(broken, FAILED, time.time()))
        for _ in range(2):
            said = "The sink chat is failing. 1 of 4 targets needs attention"
            await expect(page.locator("#answer")).to_have_text(said, timeout=30_000)
            await expect(page.locator("#sink-list li").first).to_contain_text("Failing")
            await expect(page.locator("#sink-list li").first).to_contain_text("1 dead letter")
            await expect(page.locator("#verdict")).to_have_attribute("data-standing", "failed")
            await daemon.stop()
            await daemon.restart()
            await page.reload()


async def test_a_burst_of_events_is_read_aloud_once(daemon: Daemon, visit: Callable[..., Any]) -> None:
    targets = green(daemon.simulator, 30)
    daemon.configure(targets)
    await daemon.start()
    page = await visit(
        script="""new MutationObserver(() => {
          const said = document.getElementById("said");
          if (!said || said.watched) return;
          said.watched = true;
          window.heard = [];
          new MutationObserver(() => heard.push(said.textContent)).observe(said, { childList: true });
        }).observe(document, { childList: true, subtree: true })"""
    )
    await expect(page.locator("#answer")).to_have_text("All 30 targets are green", timeout=30_000)
    await expect(page.locator("#live")).to_have_text("live")
    for each in targets:
        daemon.simulator.world.show(each, attempt(each, FAILED, time.time()))
    await expect(page.locator("#event-list li")).to_have_count(30, timeout=SOON)
    await expect(page.locator("#answer")).to_have_text("All 30 targets need attention")
    heard = await page.evaluate("heard")
    assert 1 <= len(heard) <= 3
    assert any("new events; the latest: stack-" in text for text in heard)


async def test_a_wrong_configuration_is_an_alert_until_it_is_put_right(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    daemon.configure(green(daemon.simulator))
    await daemon.start()
    right = daemon.file.read_text(encoding="utf-8")
    page = await visit()
    await expect(page.locator("#live")).to_have_text("live")
    await expect(page.get_by_role("alert").filter(has_text="configuration")).to_have_count(0)

    daemon.file.write_text(right.replace("rate_limit", "rate_limits"), encoding="utf-8")
    assert daemon.reload
    daemon.reload.ask()
    alert = page.get_by_role("alert").filter(has_text="The configuration read")
    await expect(alert).to_be_visible(timeout=SOON)
    await expect(alert).to_contain_text("unknown key; did you mean 'rate_limit'?")
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")

    daemon.file.write_text(right.replace("sqlite:///", "sqlite:////"), encoding="utf-8")
    daemon.reload.ask()
    await expect(alert).to_have_count(0, timeout=SOON)
    await expect(page.get_by_text("New values of these keys take effect at the next start")).to_be_visible()
    await expect(page.locator("#restart li")).to_have_text("state")


async def test_a_lost_daemon_is_said_with_its_time_and_found_again(daemon: Daemon, visit: Callable[..., Any]) -> None:
    targets = green(daemon.simulator)
    daemon.configure(targets)
    await daemon.start()
    page = await visit(timezone_id="Asia/Tokyo")
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")
    await expect(page.locator("#live")).to_have_text("live")

    await daemon.stop()
    alert = page.get_by_role("alert").filter(has_text="No connection to the daemon since")
    await expect(alert).to_be_visible(timeout=SOON)
    await expect(alert).to_contain_text(
        re.compile(r"since \d\d:\d\d:\d\d UTC: .* The page shows the state of \d\d:\d\d:\d\d UTC\.")
    )
    await expect(alert.locator("strong")).to_have_attribute("title", re.compile(r" UTC\n.* Asia/Tokyo$"))
    await expect(page.locator("#live")).to_have_text("not live")
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")

    daemon.simulator.world.show(targets[0], attempt(targets[0], FAILED, time.time()))
    await daemon.restart()
    await expect(alert).to_have_count(0)
    await expect(page.locator("#live")).to_have_text("live")
    await expect(page.locator("#answer")).to_have_text("1 of 4 targets needs attention")
    await expect(page.locator("#event-list li").first).to_contain_text("stack-0")

    daemon.simulator.world.show(targets[0], attempt(targets[0], SUCCEEDED, time.time()))
    await expect(page.locator("#event-list li").first).to_contain_text("Succeeded, recovered", timeout=SOON)


async def test_a_stream_that_was_quiet_loses_nothing_over_a_restart(daemon: Daemon, visit: Callable[..., Any]) -> None:
    """A browser reconnects after three seconds with the id of the first message; the event is recorded before."""
    targets = green(daemon.simulator)
    daemon.configure(targets)
    await daemon.start()
    page = await visit()
    await page.evaluate(
        """() => new Promise((opened) => {
          const source = new EventSource("/api/stream");
          window.first = new Promise((got) => { source.onmessage = ({ data }) => got(JSON.parse(data).type); });
          source.onopen = opened;
        })"""
    )
    await daemon.stop()
    daemon.simulator.world.show(targets[0], attempt(targets[0], FAILED, time.time()))
    await daemon.restart()
    async with asyncio.timeout(30):
        assert await page.evaluate("first") == "watcher.sync.failed"


async def test_an_answer_is_late_once_its_next_poll_is_overdue(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(green(daemon.simulator, 1))
    await daemon.start()
    page = await visit()
    wait = 300.0

    async def answered_long_ago(route: Route) -> None:
        response = await route.fetch()
        told = await response.json()
        for row in told["targets"]:
            row["answered_at"] = at(time.time() - 600)
            row["next_poll_at"] = at(time.time() + wait)
        await route.fulfill(response=response, json=told)

    await page.route("**/api/targets", answered_long_ago)
    answered = page.locator("#table tbody tr .c-answered")
    await expect(answered).to_have_text(re.compile(r"^10 min ago\s+next in 5 min$"), timeout=30_000)
    await expect(answered.locator(".old")).to_have_count(0)
    wait = -300.0
    await expect(answered.locator(".old")).to_have_text("10 min ago, late", timeout=30_000)
    await expect(answered).to_contain_text("5 min overdue")


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
