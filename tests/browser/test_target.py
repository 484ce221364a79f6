"""A target's page, opened from the overview and by its URL: attempts, AWS's sync events, events and deliveries."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from playwright.async_api import expect

from tests.browser.worlds import FARGATE, ORDERS, everything, green
from tests.support.simulator import attempt
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.subject import Blocker, Span
from watcher.sources import codeconnections, proton
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.daemon import Daemon


async def test_a_target_is_opened_and_the_way_back_leads_to_the_same_filter_and_row(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    daemon.configure(everything(daemon.simulator))
    await daemon.start()
    page = await visit("/?account=prod&text=db")
    await page.locator("#table").get_by_role("link", name="orders-db", exact=True).click()
    await expect(page.get_by_role("heading", level=1, name="orders-db")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert urlsplit(page.url).path == f"/targets/{ORDERS.id}"
    assert "orders-db" in await page.title()
    await expect(page.locator("#overview")).to_be_hidden()

    await page.go_back()
    await expect(page.locator("#target")).to_be_hidden()
    assert urlsplit(page.url).query == "account=prod&text=db"
    await expect(page.locator("#table tbody tr:visible")).to_have_count(1)
    await expect(page.locator("#table").get_by_role("link", name="orders-db", exact=True)).to_be_focused()

    await page.go_forward()
    await page.get_by_role("link", name="All targets").click()
    assert urlsplit(page.url).query == "account=prod&text=db"
    await expect(page.locator("#table tbody tr:visible")).to_have_count(1)


async def test_times_are_in_utc_and_hovering_shows_the_browsers_zone(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(everything(daemon.simulator))
    await daemon.start()
    page = await visit(f"/targets/{ORDERS.id}", locale="en-US", timezone_id="Asia/Tokyo")
    times = page.get_by_role("article").locator("time[data-is=at]")
    await expect(times.first).to_contain_text(" UTC")
    for shown in await times.all():
        moment = datetime.fromisoformat(str(await shown.get_attribute("datetime")))
        utc, tokyo = (f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}" for zone in (UTC, ZoneInfo("Asia/Tokyo")))
        assert await shown.text_content() in (f"{utc} UTC", f"{utc[11:]} UTC")
        assert await shown.get_attribute("title") == f"{utc} UTC\n{tokyo} Asia/Tokyo"
    since = page.get_by_role("article").locator("time[data-is=since]").first
    assert " UTC\n" in str(await since.get_attribute("title"))


async def test_a_target_tells_its_attempts_what_aws_said_and_what_became_of_its_events(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    targets = everything(daemon.simulator)
    refusing = "{name: chat, type: webhook, url: 'http://127.0.0.1:9/', allow_http: true, allow_private: true}"
    daemon.configure(targets, f"sinks: [{refusing}]")
    await daemon.start()
    page = await visit(f"/targets/{ORDERS.id}")
    article = page.get_by_role("article")
    await expect(article.locator(".state")).to_contain_text("Failed for")
    facts = article.locator(".facts")
    await expect(facts).to_contain_text("example-org/infrastructure @ main")
    link = facts.get_by_role("link", name="4be1d2a")
    assert await link.get_attribute("href") == f"https://github.com/example-org/infrastructure/commit/{'4be1d2a0' * 5}"
    lines = article.get_by_role("region", name="AWS's sync events").get_by_role("listitem")
    await expect(lines).to_have_count(3)
    await expect(lines.last).to_contain_text("has a dependent object")
    event = article.get_by_role("region", name="Events and their deliveries").locator(".list > li")
    await expect(event.locator(".deliveries")).to_contain_text("waiting chat")
    await expect(event.locator(".deliveries")).to_contain_text("no connection")

    # A second attempt goes by while somebody looks.
    show, began = daemon.simulator.world.show, time.time()
    attempts = article.get_by_role("region", name="Attempts").locator(".timeline > li")
    await expect(attempts).to_have_count(1)
    await event.locator("summary").click()
    show(ORDERS, attempt(ORDERS, IN_PROGRESS, began))
    await expect(attempts.first).to_contain_text("In progress")
    show(ORDERS, attempt(ORDERS, SUCCEEDED, began))
    await expect(attempts.first.locator(".steps li")).to_have_count(2)
    await expect(article.locator(".state")).to_contain_text("Succeeded for")
    await expect(attempts).to_have_count(2)
    await expect(event).to_have_count(3)
    await expect(event.first).to_contain_text("Succeeded, recovered")
    await expect(event.last.locator("pre")).to_be_visible()  # what was opened stays open


async def test_an_id_with_encoded_parts_is_one_address_from_the_link_to_the_page(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    odd = stack("a/b?c#d%2F&e=f", "us-east-1", "odd")
    daemon.configure([odd, FARGATE], "unreadable_after: 1")
    await daemon.start()
    page = await visit()
    await page.locator("#table").get_by_role("link", name=odd.name, exact=True).click()
    await expect(page.get_by_role("heading", level=1, name=odd.name)).to_be_visible()
    assert urlsplit(page.url).path == f"/targets/{odd.id}"
    await page.reload()
    await expect(page.get_by_role("heading", level=1, name=odd.name)).to_be_visible()
    badge = page.get_by_role("img", name="Badge")
    assert await badge.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 20


async def test_an_address_of_no_target_says_so(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(green(daemon.simulator))
    await daemon.start()
    page = await visit("/targets/prod/us-east-1/stack/never-heard-of-%")
    await expect(page.get_by_role("heading", level=1)).to_have_text("There is no such target")
    await expect(page.get_by_text("never-heard-of-%")).to_be_visible()
    await page.get_by_role("link", name="All targets").click()
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")


async def test_a_success_of_the_last_target_that_failed_makes_the_answer_green(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    targets = green(daemon.simulator)
    daemon.simulator.world.show(targets[2], attempt(targets[2], FAILED, time.time() - 60))
    daemon.configure(targets)
    await daemon.start()
    page = await visit()
    await expect(page.locator("#answer")).to_have_text("1 of 4 targets needs attention")
    daemon.simulator.world.show(targets[2], attempt(targets[2], SUCCEEDED, time.time()))
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")


async def test_repositories_and_service_instances_are_called_the_same_in_the_list_on_their_page_and_in_events(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    link = {"link": "6053346f-8a33-4edb-9397-10394b695173", "branch": "release/1"}
    named = {"provider": "GITHUB", "name": "org/templates", "branch": "main", "sync_type": "TEMPLATE_SYNC"}
    targets = [
        codeconnections.REPOSITORY.target("prod", "us-east-1", link),
        proton.REPOSITORY.target("prod", "us-east-1", named),
        proton.SERVICE_INSTANCE.target("prod", "us-east-1", {"service": "shop", "name": "shop-prod"}),
    ]
    for target in targets:
        daemon.simulator.world.show(target, attempt(target, FAILED, time.time() - 60, events=("it broke",)))
    daemon.configure(targets)
    await daemon.start()
    page = await visit()
    for target in targets:
        await expect(page.locator("#event-list").get_by_role("link", name=target.title, exact=True)).to_be_visible()
        await page.locator("#table").get_by_role("link", name=target.title, exact=True).click()
        await expect(page.get_by_role("heading", level=1, name=target.title, exact=True)).to_be_visible()
        assert urlsplit(page.url).path == f"/targets/{target.id}"
        await expect(page.get_by_role("article")).to_contain_text("it broke")
        await page.go_back()


async def test_a_blocked_target_says_so_and_why(daemon: Daemon, visit: Callable[..., Any]) -> None:
    targets = green(daemon.simulator)
    daemon.simulator.world.change(targets[0], blockers=(Blocker(Span(), "no such template"),))
    daemon.configure(targets)
    await daemon.start()
    page = await visit(f"/targets/{targets[0].id}")
    article = page.get_by_role("article")
    await expect(article.locator(".state")).to_contain_text("Blocked", timeout=60_000)
    await expect(article.locator(".problem")).to_have_text("blocked: no such template")
    await expect(article.locator(".facts")).to_contain_text("Blocked since")
    await expect(article.locator(".steps").first).to_contain_text("Blocked")
    await page.get_by_role("link", name="All targets").click()
    row = page.locator("#table tbody tr:visible", has_text="no such template")
    await expect(row).to_have_attribute("data-standing", "blocked")
