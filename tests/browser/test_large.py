"""2,000 targets: drawn within a second, filtered and scrolled without a stutter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.browser.worlds import many

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.browser.daemon import Daemon

COUNT = 2000

OBSERVE = """
window.long = [];
window.strokes = [];
new PerformanceObserver((list) => long.push(...list.getEntries().map((each) => each.duration)))
  .observe({ type: "longtask", buffered: true });
new PerformanceObserver((list) => {
  for (const { name, duration } of list.getEntries()) if (name === "keydown") strokes.push(duration);
}).observe({ type: "event", durationThreshold: 16, buffered: true });
window.drawn = new Promise((done) => new MutationObserver((_, observer) => {
  if (document.querySelectorAll("#table tbody tr").length < COUNT) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => done(performance.now())));
}).observe(document, { childList: true, subtree: true }));
""".replace("COUNT", str(COUNT))

TO_PAINT = """(value) => new Promise((done) => {
  const field = document.querySelector("[name=text]");
  const began = performance.now();
  field.value = value;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - began);
    channel.port2.postMessage(null);
  });
})"""
"""Milliseconds from a change of the filter to the end of the frame that shows it."""


ROUNDS = 5
"""The machine may be busy with something else: a stutter of the page's own is there in every round."""


async def test_two_thousand_targets_are_drawn_filtered_and_scrolled_without_a_stutter(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    daemon.configure(
        many(daemon.simulator, COUNT), defaults="{interval: 60s, active_interval: 60s, stalled_after: 30d}"
    )
    await daemon.start()
    page = await visit(script=OBSERVE)
    drawn = await page.evaluate("drawn")
    asked = "performance.getEntriesByType('resource').find((each) => each.name.endsWith('/api/targets')).responseEnd"
    after_answer = drawn - await page.evaluate(asked)
    await expect(page.locator("#answer")).to_contain_text("21 of 2,000 targets need attention", timeout=60_000)
    await expect(page.locator("#answer-detail")).not_to_contain_text("not seen", timeout=60_000)  # all were polled

    rounds = [await _round(page)]
    while rounds[-1].long and len(rounds) < ROUNDS:
        rounds.append(await _round(page))
    async with page.expect_response("**/api/targets", timeout=30_000):
        await page.evaluate("long.length = 0")
    await expect(page.locator("#fresh")).to_have_text(re.compile("updated [2-4] s ago"))  # it is done with it
    refreshing = await page.evaluate("long")
    best = min(rounds, key=lambda each: each.longest)
    print(
        f"\n2,000 targets: drawn {after_answer:.0f} ms after the answer, {drawn:.0f} ms after the start; "
        f"filter to paint {best.painted:.0f} ms; a key stroke to its paint at most {best.stroke:.0f} ms; "
        f"long tasks when filtering and scrolling: {[each.long for each in rounds]}; when refreshing: {refreshing}"
    )
    assert after_answer < 1000
    assert best.painted < 50
    assert best.long == []


@dataclass(frozen=True)
class Round:
    """In milliseconds: the median from a filter to its paint, the slowest key stroke, and the tasks longer than 50."""

    painted: float
    stroke: float
    long: list[float]

    @property
    def longest(self) -> float:
        return max(self.long, default=0.0)


async def _round(page: Page) -> Round:
    await page.evaluate("long.length = 0; strokes.length = 0")
    painted = [await page.evaluate(TO_PAINT, text) for text in ("s", "se", "service-0", "team-1", "zzz", "")]
    await page.locator("[name=text]").press_sequentially("service-01", delay=60)
    await expect(page.locator("#shown")).to_have_text("100 of 2,000 targets")
    await page.locator("#clear").click()
    await expect(page.locator("#shown")).to_have_text("2,000 targets")
    await page.mouse.move(400, 600)
    for _ in range(40):
        await page.mouse.wheel(0, 700)
        await page.evaluate("new Promise(requestAnimationFrame)")
    assert await page.evaluate("scrollY") > 15_000
    await page.evaluate("scrollTo(0, 0)")
    strokes, long = await page.evaluate("[strokes, long]")
    return Round(median(painted), max(strokes, default=0.0), long)
