"""A bare list with the texts of the page's rows, and the work that a page's main thread does: a measure for the page.

The list is filtered by the page's own method, with nothing else around it. The work is processor time, so it does not
depend on what else the machine does; and the ratio of two kinds of work, measured in turns, does not depend on how fast
the machine is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

SETUP = """
window.frame = () => new Promise((done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = done;
  channel.port2.postMessage(null);
}));
window.drawn = async (count) => {
  while (document.querySelectorAll("#table tbody tr").length < count) await frame();
  await frame();
};
"""
"""`frame` resolves at the end of a frame, `drawn` at that of the one in which the page has this many rows."""

BARE = """async (rows) => {
  document.body.innerHTML = `<style>
    section { content-visibility: auto; contain-intrinsic-block-size: 456px; }
    div { height: 57px; overflow: hidden; }
  </style><input name=text>`;
  const chunks = [];
  for (let start = 0; start < rows.length; start += 8) {
    const section = document.createElement("section");
    const entries = rows.slice(start, start + 8).map((texts) => {
      const row = document.createElement("div");
      for (const text of texts) row.append(Object.assign(document.createElement("span"), { textContent: text }));
      section.append(row);
      return { row, hay: texts.join("\\n").toLowerCase() };
    });
    document.body.append(section);
    chunks.push({ section, entries });
  }
  document.querySelector("input").addEventListener("input", ({ target }) => {
    for (const { section, entries } of chunks) {
      const passed = entries.map(({ hay }) => hay.includes(target.value));
      section.hidden = !passed.includes(true);
      section.style.containIntrinsicBlockSize = `${57 * passed.filter(Boolean).length}px`;
      if (!section.hidden) entries.forEach(({ row }, index) => (row.hidden = !passed[index]));
    }
  });
  await frame();
}"""
"""Makes the bare list: rows of one height in chunks that are not laid out while they are out of view."""

FILTER = """async () => {
  const field = document.querySelector("[name=text]");
  for (const text of ["s", "se", "service-0", "team-1", "zzz", "", "service-01", ""]) {
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    await frame();
  }
}"""

SCROLL = """async () => {
  for (let top = 0; top < 30_000; top += 700) {
    scrollTo(0, top);
    await frame();
  }
  scrollTo(0, 0);
  await frame();
}"""


async def texts_of(page: Page) -> list[list[str]]:
    """The texts of the cells of the page's rows."""
    rows = "[...document.querySelectorAll('#table tbody tr')]"
    texts: list[list[str]] = await page.evaluate(f"{rows}.map((row) => [...row.cells].map((cell) => cell.textContent))")
    return texts


@dataclass(frozen=True)
class Work:
    """The processor time of a page's main thread."""

    _page: Page
    _session: CDPSession

    @classmethod
    async def of(cls, page: Page) -> Work:
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        return cls(page, session)

    async def during(self, script: str, argument: Any = None) -> float:
        """Run a script; returns the seconds of work until it is done."""
        await self._page.bring_to_front()  # others have low priority
        before = await self._so_far()
        await self._page.evaluate(script, argument)
        return await self._so_far() - before

    async def _so_far(self) -> float:
        found = await self._session.send("Performance.getMetrics")
        return next(float(each["value"]) for each in found["metrics"] if each["name"] == "ThreadTime")
