"""Fixtures of the browser tests: the real daemon, and a real browser in which every error and warning is noted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright

from tests.browser.daemon import Daemon
from tests.support.simulator import Simulator
from watcher.simulator.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from playwright.async_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 375, "height": 740}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: it needs a browser, and runs only with `-m page`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.page)


@pytest.fixture
def scenario() -> Scenario:
    """What the simulated AWS has, besides what a test gives it; a file of tests may have one of its own."""
    return Scenario("page")


@pytest.fixture
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: Scenario) -> AsyncIterator[Daemon]:
    """A daemon that is not started yet, and is stopped after the test."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "page")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-page-tests")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = Daemon(tmp_path, Simulator(scenario))
    await made.simulator.start()
    yield made
    await made.stop()
    await made.simulator.stop()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The path of the browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there; Debian's package `chromium` has it")
    return CHROMIUM


@pytest.fixture
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def visit(browser: Browser, daemon: Daemon) -> AsyncIterator[Callable[..., Any]]:
    """Opens a path of the started daemon in a page of its own.

    However the test goes on, no page may raise an error, break the Content-Security-Policy, or ask another host.
    """
    complaints: list[str] = []
    hosts: set[str] = set()

    async def open_page(path: str = "/", *, script: str | None = None, **context: Any) -> Page:
        made = await browser.new_context(**{"viewport": DESK, "color_scheme": "light", **context})
        made.set_default_timeout(20_000)
        page = await made.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: "Content Security Policy" in said.text and complaints.append(said.text))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        if script:
            await page.add_init_script(script)
        await page.goto(daemon.url + path)
        return page

    yield open_page
    assert complaints == []
    assert hosts == {urlsplit(f"http://{daemon.address}").netloc}


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed; `npm ci --prefix tests/browser` does it")
    return AXE.read_text(encoding="utf-8")
