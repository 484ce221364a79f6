"""2,000 targets: drawn, filtered and scrolled with a few times the work that a bare list of the same texts takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.browser.bare_list import BARE, FILTER, SCROLL, SETUP, Work, texts_of
from tests.browser.worlds import many

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.daemon import Daemon

COUNT = 2000
ROUNDS = 3
"""The least work of all rounds counts: what the page does from time to time, such as a refresh, adds to some."""

MOST_TO_DRAW = 6
"""The work from the page's first byte until all rows are there, relative to making the bare list; usually 2 to 4."""
MOST_TO_FILTER = 6
"""The work of filters up to the frames that show them, relative to the same filters in the bare list; usually 4 to 5.

The page's rows have more elements, and the page counts, shows and keeps what the filter chose. One that does everything
twice exceeds the limit.
"""
MOST_TO_SCROLL = 10
"""The work of scrolling in steps of a page, relative to the same steps in the bare list; usually 6."""


async def test_two_thousand_targets_are_drawn_filtered_and_scrolled_with_a_few_times_the_work_of_a_bare_list(
    daemon: Daemon, visit: Callable[..., Any]
) -> None:
    daemon.configure(
        many(daemon.simulator, COUNT), defaults="{interval: 60s, active_interval: 60s, stalled_after: 30d}"
    )
    await daemon.start()
    page = await visit(script=SETUP)
    await expect(page.locator("#answer")).to_contain_text("21 of 2,000 targets need attention", timeout=120_000)
    await expect(page.locator("#answer-detail")).not_to_contain_text("not seen", timeout=120_000)  # all were polled
    texts = await texts_of(page)
    assert len(texts) == COUNT

    bare = await page.context.new_page()
    await bare.add_init_script(SETUP)
    await bare.goto("about:blank")
    control, work = await Work.of(bare), await Work.of(page)
    pairs: dict[str, list[tuple[float, float]]] = {"draw": [], "filter": [], "scroll": []}
    for _ in range(ROUNDS):
        fresh = await page.context.new_page()
        await fresh.add_init_script(SETUP)
        await fresh.goto(daemon.url, wait_until="commit")
        drawn = await (await Work.of(fresh)).during(f"drawn({COUNT})")
        await fresh.close()
        pairs["draw"].append((drawn, await control.during(BARE, texts)))
        for name, script in (*[("filter", FILTER)] * 5, ("scroll", SCROLL)):
            pairs[name].append((await work.during(script), await control.during(script)))
    least = {name: [min(each) for each in zip(*of, strict=True)] for name, of in pairs.items()}
    print(f"\n2,000 targets, seconds of work, and those of a bare list: {least}")
    draw, filter_, scroll = (own / plain for own, plain in least.values())
    assert draw < MOST_TO_DRAW
    assert filter_ < MOST_TO_FILTER
    assert scroll < MOST_TO_SCROLL
