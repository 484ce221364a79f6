"""The page below a path of a reverse proxy: nginx, which passes `/watcher/` on as `/`."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESK
from tests.browser.worlds import REGION, green
from tests.support.simulator import attempt
from watcher.core.model import FAILED, SUCCEEDED
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

    from tests.browser.daemon import Daemon

ODD = stack("a b?c#d", REGION, "odd")
NGINX = Path("/usr/sbin/nginx")


@pytest.fixture(scope="session")
def nginx() -> Path:
    """The path of the reverse proxy."""
    if not NGINX.exists():
        pytest.skip(f"{NGINX} is not there; Debian's package `nginx` has it")
    return NGINX


@pytest.fixture
async def proxied(nginx: Path, daemon: Daemon, tmp_path: Path) -> AsyncIterator[str]:
    """The daemon's URL at nginx, whose other paths are not the daemon's."""
    daemon.simulator.world.show(ODD, attempt(ODD, SUCCEEDED, time.time()))
    daemon.configure([*green(daemon.simulator, 3), ODD])
    await daemon.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {tmp_path}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {folders} server {{ listen 127.0.0.1:{port};\n"
        f"location /watcher/ {{ proxy_pass {daemon.url}/; proxy_http_version 1.1; }} }} }}\n"
    )
    proxy = await asyncio.create_subprocess_exec(nginx, "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", "stderr")
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            assert proxy.returncode is None
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    yield f"http://127.0.0.1:{port}/watcher/"
    proxy.terminate()
    await proxy.wait()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page none of whose requests may fail, or leave the daemon's path."""
    wrong: list[Any] = []
    context = await browser.new_context(viewport=DESK)
    made = await context.new_page()
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("response", lambda answer: answer.ok or wrong.append((answer.status, answer.url)))
    made.on("request", lambda asked: urlsplit(asked.url).path.startswith("/watcher/") or wrong.append(asked.url))
    yield made
    assert wrong == []


async def test_the_page_works_below_a_path(daemon: Daemon, proxied: str, page: Page) -> None:
    await page.goto(proxied)
    await expect(page.locator("#answer")).to_have_text("All 4 targets are green")
    await expect(page.locator("#live")).to_have_text("live")
    broken = stack("prod", REGION, "stack-2")
    daemon.simulator.world.show(broken, attempt(broken, FAILED, time.time(), events=("No template",)))
    await expect(page.locator("#event-list li").first).to_contain_text("No template", timeout=30_000)

    await page.get_by_role("searchbox", name="Text").fill("stack-2")
    await page.get_by_role("table").get_by_role("link", name="stack-2", exact=True).click()
    await expect(page.get_by_role("heading", level=1, name="stack-2")).to_be_visible()
    assert page.url == f"{proxied}targets/{broken.id}"
    assert await page.get_by_role("img", name="Badge of this target").evaluate("(badge) => badge.naturalWidth > 0")
    links = await page.evaluate("[...document.querySelectorAll('footer a, .elsewhere a')].map((each) => each.href)")
    assert f"{proxied}api/targets/{broken.id}" in links
    assert all(link.startswith(proxied) for link in links)

    await page.reload()
    await expect(page.get_by_role("heading", level=1, name="stack-2")).to_be_visible()
    await page.get_by_role("link", name="All targets").click()
    await expect(page.locator("#answer")).to_have_text("1 of 4 targets needs attention")
    assert urlsplit(page.url).path == "/watcher/"
    for link in [each for each in links if "/api/" in each]:
        answer = await page.context.request.get(link)
        assert answer.status == 200, link


async def test_a_target_is_found_though_nginx_encodes_the_parts_of_its_id_anew(proxied: str, page: Page) -> None:
    await page.goto(proxied)
    await page.get_by_role("table").get_by_role("link", name="odd", exact=True).click()
    await expect(page.locator("code.id")).to_have_text(ODD.id)
    await page.reload()
    await expect(page.locator("code.id")).to_have_text(ODD.id)
    assert await page.get_by_role("img", name="Badge of this target").evaluate("(badge) => badge.naturalWidth > 0")
