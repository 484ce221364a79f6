"""The page of one of two watchers on a table: what the other one polls is marked, and is neither late nor unseen."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESK, PHONE
from tests.browser.daemon import Daemon
from tests.browser.test_looks import FITS, STICKING_OUT, THEMES, violations
from tests.browser.worlds import green
from tests.support.simulator import attempt
from watcher.core.model import FAILED, SUCCEEDED
from watcher.sources.codeconnections import stack
from watcher.web import overview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from playwright.async_api import Page

    from tests.support.dynamodb_tables import Tables


REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-north-1", "sa-east-1")
TARGETS = [stack("prod", region, f"network-{region}", labels={"team": "platform"}) for region in REGIONS]


@pytest.fixture
async def other(
    daemon: Daemon, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Daemon]:
    """The second watcher, once both have their share of the shards."""
    monkeypatch.setattr(overview, "PEERS_KEPT_INCOMPLETE_SECONDS", 0.5)
    for number, target in enumerate(TARGETS):
        began = time.time() - 600 * (number + 1)
        shown = attempt(target, FAILED if number == 1 else SUCCEEDED, began, "4be1d2a9c0ffee", events=("No template",))
        daemon.simulator.world.show(target, shown)
    table = await tables()
    (tmp_path / "other").mkdir()
    other = Daemon(tmp_path / "other", daemon.simulator)
    for each in (daemon, other):
        each.state = f"dynamodb://{table.table}?region=us-east-1&endpoint_url={table.endpoint_url}&term=2s"
        each.configure(TARGETS)
        await each.start()
    async with asyncio.timeout(30):
        while not shared_out(daemon, other):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.05)
    yield other
    await other.stop()


def shared_out(*daemons: Daemon) -> bool:
    looks = [daemon.app.view.endpoints() for daemon in daemons if daemon.app]
    return all(looks) and not looks[0].keys() & looks[1].keys() and sum(map(len, looks)) == len(REGIONS)


def places(page: Page, row: str) -> tuple[Any, Any]:
    """Two texts of a target's row: when it was answered, and when it is polled next."""
    found = page.locator(f"#table tbody tr[data-id='{row}']")
    return found.locator("[data-is=answered]"), found.locator("[data-is=next]")


@THEMES
@pytest.mark.parametrize("size", [pytest.param(PHONE, id="375"), pytest.param(DESK, id="1440")])
async def test_what_another_watcher_polls_is_marked(
    daemon: Daemon, other: Daemon, visit: Callable[..., Any], axe: str, theme: str, size: dict[str, int]
) -> None:
    assert daemon.app
    assert other.app
    page = await visit(viewport=size, color_scheme=theme)
    await expect(page.locator("#answer")).to_have_text("1 of 8 targets needs attention", timeout=30_000)
    here = {target.id for target in TARGETS if target.endpoint in daemon.app.view.endpoints()}
    assert 0 < len(here) < len(TARGETS)
    for target in TARGETS:
        answered, coming = places(page, target.id)
        if target.id in here:
            await expect(answered).to_contain_text("ago")
        else:
            await expect(answered).to_have_text("by another daemon")
            await expect(coming).to_have_text("")
    assert await page.locator("#table .old").count() == 0
    assert await violations(page, axe) == []
    assert await page.evaluate(FITS)
    assert await page.evaluate(STICKING_OUT) == []
    (away, *_) = [target for target in TARGETS if target.id not in here]
    await page.goto(f"{daemon.url}/targets/{away.id}")
    await expect(page.locator("article .facts")).to_contain_text("by another daemon, every")
    await expect(page.locator("article .facts")).not_to_contain_text("Next poll")


async def test_what_is_taken_over_is_told_as_its_own(daemon: Daemon, other: Daemon, visit: Callable[..., Any]) -> None:
    page = await visit()
    marked = page.locator("#table .c-answered").filter(has_text="by another daemon")
    await expect(marked).not_to_have_count(0)
    await other.stop()
    await expect(marked).to_have_count(0, timeout=30_000)
    for target in TARGETS:
        answered, coming = places(page, target.id)
        await expect(answered).to_contain_text("ago")
        await expect(coming).not_to_have_text("")


async def test_of_two_events_with_one_number_both_are_shown(daemon: Daemon, visit: Callable[..., Any]) -> None:
    daemon.configure(green(daemon.simulator))
    await daemon.start()
    page = await visit()
    await expect(page.locator("#no-events")).to_be_visible()
    told = """async (found) => {
      const source = document.querySelector("script[type=module]").src;
      const { Events } = await import(source.replace("app.js", "panels.js"));
      const events = new Events();
      const counts = [events.add(found).length, events.add(found).length];
      return [...counts, document.querySelectorAll("#event-list > li").length];
    }"""
    event = {"type": "watcher.sync.failed", "subject": "a", "time": "2026-11-23T08:00:00Z", "data": {}}
    found = [{"number": 7, "event": {**event, "id": id_}} for id_ in ("one", "two")]
    assert await page.evaluate(told, found) == [2, 0, 2]
