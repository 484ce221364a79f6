"""Access to the HTTP server: Host, token and methods; the headers of every response; changes of its address."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import aiohttp
import pytest
from pydantic import SecretStr

from tests.support.fake_daemon import STACKS, Site, attempt, config_of, serving
from tests.support.waiting import PATIENCE, until
from watcher.core.settings import Http
from watcher.errors import ServiceUnreachable, StoreError
from watcher.web import assets
from watcher.web.handler import STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from watcher.core.queries import EventQuery

DOCUMENT = json.loads(resources.files("watcher.web").joinpath("openapi.json").read_text())
TOKEN = "a-token-of-some-length"
EVERYWHERE = [
    "/livez", "/readyz", "/metrics", "/", "/targets/x", "/static/nope.js", "/api/status", "/api/targets",
    "/api/targets/nope", "/api/endpoints", "/api/sinks", "/api/events", "/api/openapi.json", "/nowhere",
    "/api/targets?x=1", "/api/targets/default/us-east-1/stack/network/badge.svg",
]  # fmt: skip


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as site:
        yield site


@pytest.mark.parametrize("path", [path for path in EVERYWHERE if path not in {"/livez", "/readyz"}])
async def test_without_the_token_there_is_nothing(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, token=SecretStr(TOKEN)) as site:
        status, body, headers = await site.get(path)
        assert status == 401
        assert list(body) == ["error"]
        assert headers.getall("WWW-Authenticate") == [
            'Bearer realm="watcher"',
            'Basic realm="watcher", charset="UTF-8"',
        ]  # type: ignore[attr-defined]
        assert (await site.get(path, headers={"Authorization": f"Bearer {TOKEN}x"}))[0] == 401
        for how in (f"Bearer {TOKEN}", aiohttp.encode_basic_auth("any", TOKEN)):
            assert (await site.get(path, headers={"Authorization": how}))[0] != 401


async def test_health_needs_no_token(tmp_path: Path) -> None:
    async with serving(tmp_path, token=SecretStr(TOKEN)) as site:
        for path in ("/livez", "/readyz"):
            assert (await site.get(path))[:2] == (200, {"ok": True, "reasons": []})


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_a_request_that_is_addressed_to_another_name_is_refused_before_all_else(
    tmp_path: Path, path: str
) -> None:
    """A web page that has rebound its own name to this address sends that name as Host."""
    async with serving(tmp_path, token=SecretStr(TOKEN)) as site:
        port = site.address[1]
        for host in ("evil.example", f"evil.example:{port}", "192.0.2.1"):
            status, body, _ = await site.get(path, headers={"Host": host})
            assert (status, list(body)) == (421, ["error"])
        for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", "127.0.0.1"):
            assert (await site.get(path, headers={"Host": host}))[0] != 421


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez HTTP/1.1", 400),
        (b"GET /livez HTTP/1.0", 200),
        (b"GET /livez HTTP/1.0\r\nHost: evil.example", 421),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: evil.example", 200),
        (b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost", 200),
        (b"GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example", 421),
        (b"GET http://evil.example/livez HTTP/1.1\r\nHost: localhost", 421),
        (b"GET http://[::1]:80/livez HTTP/1.0", 200),
        (b"GET http://xn--a/livez HTTP/1.1\r\nHost: localhost", 421),  # not an international name
        (b"CONNECT xn--a:80 HTTP/1.1\r\nHost: localhost", 421),
        (b"GET /livez HTTP/1.1\r\nHost:", 421),
    ],
)
async def test_a_request_has_one_host(site: Site, head: bytes, status: int) -> None:
    reader, writer = await asyncio.open_connection(*site.address)
    writer.write(head + b"\r\nConnection: close\r\n\r\n")
    assert int((await reader.readline()).split()[1]) == status
    writer.close()


async def test_the_name_that_is_listened_at_is_ours(site: Site) -> None:
    await site.server.reconfigure(Http("localhost", 0))
    assert (await site.get("/livez"))[0] == 200
    assert (await site.get("/livez", headers={"Host": "evil.example"}))[0] == 421
    assert (await site.get("/livez", headers={"Host": "watcher.example.com"}))[0] == 421
    await site.server.reconfigure(Http("localhost", 0, public_url="https://Watcher.example.com/sync"))
    assert (await site.get("/livez", headers={"Host": "watcher.example.com"}))[0] == 200
    assert (await site.get("/livez", headers={"Host": "localhost"}))[0] == 200
    assert (await site.get("/livez", headers={"Host": "evil.example"}))[0] == 421


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_every_answer_is_fenced_in(site: Site, path: str) -> None:
    _, _, headers = await site.get(path)
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Server"] == "watcher"
    assert headers["Cache-Control"] in {"no-store", "no-cache"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/livez", "/api/targets", "/api/stream", "/"])
async def test_everything_is_read_only(site: Site, method: str, path: str) -> None:
    async with site.http.request(method, site.url + path) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", DOCUMENT["paths"])
async def test_head_tells_what_get_would(site: Site, path: str) -> None:
    path = path.replace("{id}", "default/us-east-1/stack/network").replace("{file}", "favicon.svg")
    async with site.http.head(site.url + path) as head:
        assert await head.read() == b""
    if path == STREAM:
        assert head.headers["Content-Type"].startswith("text/event-stream")
        return
    async with site.http.get(site.url + path) as get:
        await get.read()
    assert (head.status, head.headers["Content-Type"]) == (get.status, get.headers["Content-Type"])


async def test_a_body_is_refused(site: Site) -> None:
    async with site.http.get(site.url + "/api/targets", data=b"x" * 10) as answer:
        assert answer.status == 413
        assert answer.headers["Connection"] == "close"
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/targets/", "/targets/", "/static/", "/livez/", "//", "/api/Targets", "/%2e%2e/"]
)
async def test_what_is_not_there_is_said_so_in_json(site: Site, path: str) -> None:
    status, body, _ = await site.get(path)
    assert (status, list(body)) == (404, ["error"])


@pytest.mark.parametrize(
    "name", ["../site.py", "..%2fsite.py", "%2e%2e/openapi.json", "/etc/passwd", "index.html", ".", "static"]
)
async def test_only_the_pages_files_are_served(site: Site, name: str) -> None:
    assert (await site.get(f"/static/{name}"))[0] == 404


async def test_the_pages_files_are_kept_for_ever_by_their_hash(site: Site) -> None:
    _, shell, headers = await site.get("/")
    assert headers["Cache-Control"] == "no-cache"
    assert "HASH" not in shell
    found = re.findall(r'"\./(static/[^"]+)"', shell)
    assert any(path.split("?")[0].endswith(".js") for path in found)
    for path in found:
        status, text, headers = await site.get(f"/{path}")
        assert status == 200
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert (await site.get(f"/static/{module}"))[2]["Cache-Control"] == "public, max-age=31536000, immutable"
        bare = f"/{path.partition('?')[0]}"
        status, _, headers = await site.get(bare)
        assert headers["Cache-Control"] == "no-cache"
        assert (await site.get(bare, headers={"If-None-Match": headers["ETag"]}))[0] == 304


async def test_every_page_asks_for_the_same_files_wherever_the_daemon_is(site: Site) -> None:
    """A reverse proxy may serve the page below any path, so its URLs are relative."""
    _, shell, _ = await site.get("/")
    wanted = addresses(shell, "https://example.com/any/path/")
    assert all(address.startswith("https://example.com/any/path/") for address in wanted)
    for path in ("targets/x", "targets/default/us-east-1/stack/network", "targets/a%2520b/c/d/e/f/g"):
        _, page, _ = await site.get(f"/{path}")
        assert addresses(page, f"https://example.com/any/path/{path}") == wanted
    assert (await site.get("/targets/" + "a/" * 20))[0] == 404


def addresses(page: str, at: str) -> list[str]:
    """The URLs of the links and requests of a page at this URL."""
    return [urljoin(at, each) for each in re.findall(r'(?:href|src)="([^"#][^"]*)"', page)]


@pytest.mark.parametrize("file", sorted(assets.load().files))
async def test_no_file_has_an_address_from_the_root(site: Site, file: str) -> None:
    _, text, _ = await site.get("/" if file == "index.html" else f"/static/{file}")
    assert not re.findall(r"""(?:["'`(]/(?![/>])[a-z?]|(?:href|src)="/)""", text)


def test_the_documents_server_is_where_the_document_is() -> None:
    served = urljoin("https://example.com/any/path/api/openapi.json", DOCUMENT["servers"][0]["url"])
    assert served == "https://example.com/any/path/"


async def test_what_is_worth_it_is_packed_for_who_takes_it(tmp_path: Path) -> None:
    many = "\n".join(["stacks:", *(f"  - {{name: stack-{number}, region: us-east-1}}" for number in range(500))])
    async with serving(tmp_path, many) as site, aiohttp.ClientSession(auto_decompress=False) as http:
        async with http.get(site.url + "/api/targets", headers={"Accept-Encoding": "gzip"}) as packed:
            body = await packed.read()
        async with http.get(site.url + "/api/targets", headers={"Accept-Encoding": "identity"}) as plain:
            whole = await plain.read()
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == whole
    assert len(body) * 5 < len(whole)


async def test_many_who_ask_at_once_share_one_building(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    look = site.peek.target
    monkeypatch.setattr(site.peek, "target", lambda target_id: looked.append(target_id) or look(target_id))  # type: ignore[func-returns-value]
    answers = await asyncio.gather(*(site.get("/api/targets") for _ in range(60)))
    assert len({str(body) for _, body, _ in answers}) == 1
    assert len(looked) == 2


async def test_the_daemon_is_told_of_as_it_is(site: Site) -> None:
    site.peek.why_stuck = ["no poll began for 5m though one was due"]
    assert (await site.get("/livez"))[:2] == (503, {"ok": False, "reasons": site.peek.why_stuck})
    site.peek.why_unready = ["prod/us-east-1/proton has not been polled yet"]
    assert (await site.get("/readyz"))[:2] == (503, {"ok": False, "reasons": site.peek.why_unready})
    told = (await site.get("/api/status"))[1]["watcher"]
    assert told == {"live": False, "ready": False, "reasons": [*site.peek.why_stuck, *site.peek.why_unready]}


class Broken:
    """A broken store: each call raises `error`, or never returns (None)."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> Any:
        async def fail(*_: Any) -> None:
            if self._error is None:
                await asyncio.Event().wait()
            assert self._error is not None
            raise self._error

        return fail


@pytest.mark.parametrize(
    "path", ["/api/sinks", "/api/events", "/api/targets/default/us-east-1/stack/network", "/api/stream"]
)
async def test_a_broken_store_is_told_of(site: Site, path: str) -> None:
    site.peek.reader = Broken(StoreError("watcher.db: the disk is full; free some space"))
    status, body, headers = await site.get(path)
    assert (status, body) == (503, {"error": "watcher.db: the disk is full; free some space"})
    assert headers["Retry-After"] == "5"


async def test_a_store_that_hangs_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.web.api.PROBE_SECONDS", 0.05)
    monkeypatch.setattr("watcher.observability.backlogs.MAX_WAIT_SECONDS", 0.05)
    site.peek.reader = Broken(None)
    assert (await site.get("/livez"))[0] == 200
    status, body, _ = await site.get("/readyz")
    assert (status, body["reasons"]) == (
        503,
        ["the state store did not respond within 0.05 s; check its disk, or the network path to its table"],
    )
    assert (await site.get("/api/sinks"))[0] == 503
    assert (await site.get("/api/targets"))[0] == 200
    status, text, _ = await site.get("/metrics")
    assert status == 200
    assert "watcher_outbox_pending" not in text
    assert "watcher_targets{" in text


async def test_health_is_answered_while_everything_else_waits(site: Site) -> None:
    site.peek.reader = Broken(None)
    waiting = [asyncio.create_task(site.get("/api/events")) for _ in range(40)]
    try:
        for _ in range(3):
            assert (await site.get("/livez"))[0] == 200
        assert not any(task.done() for task in waiting)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_bug_is_told_as_one_and_nothing_of_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_id: str) -> None:
        raise RuntimeError(TOKEN)

    monkeypatch.setattr(site.peek, "target", broken)
    status, body, _ = await site.get("/api/targets")
    assert status == 500
    assert TOKEN not in body["error"]


async def test_another_token_holds_at_once_and_nothing_is_bound_anew(tmp_path: Path) -> None:
    async with serving(tmp_path, token=SecretStr(TOKEN)) as site:
        url = site.url
        with_token = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
        assert (await site.get("/api/status", **with_token))[0] == 200
        await site.server.reconfigure(Http("127.0.0.1", 0, SecretStr("another-token")))
        assert site.url == url
        assert (await site.get("/api/status", **with_token))[0] == 401
        assert (await site.get("/api/status", headers={"Authorization": "Bearer another-token"}))[0] == 200
        await site.server.reconfigure(Http("127.0.0.1", 0, None))
        assert (await site.get("/api/status"))[0] == 200


async def test_another_address_is_had_before_the_old_one_is_left(site: Site, tmp_path: Path) -> None:
    old = site.url
    (tmp_path / "other").mkdir()
    async with serving(tmp_path / "other") as other:
        with pytest.raises(ServiceUnreachable) as told:
            await site.server.reconfigure(Http(*other.address))
        host, port = other.address
        assert str(told.value) == (
            f"cannot serve HTTP on {host}:{port}: address already in use; "
            "set another address in `http: {listen: …}`, or write `http: off`"
        )
        assert site.url == old
        assert (await site.get("/livez"))[0] == 200
    await site.server.reconfigure(Http("localhost", 0))
    assert site.url != old
    assert (await site.get("/livez"))[0] == 200
    with pytest.raises(aiohttp.ClientConnectorError):
        await site.http.get(old)


async def test_one_address_may_become_all_on_the_same_port(site: Site) -> None:
    port = site.address[1]
    await site.server.reconfigure(None)
    await site.server.reconfigure(Http("127.0.0.1", port))
    await site.server.reconfigure(Http("0.0.0.0", port, insecure=True))  # noqa: S104  for a moment, in a test
    assert site.url == f"http://0.0.0.0:{port}"
    assert (await site.get("/livez"))[0] == 200
    await site.server.reconfigure(Http("127.0.0.1", port))
    assert (await site.get("/livez"))[0] == 200


async def test_serving_ends_and_begins_again(site: Site) -> None:
    old = site.url
    await site.server.reconfigure(None)
    assert site.server.url is None
    with pytest.raises(aiohttp.ClientConnectorError):
        await site.http.get(old)
    await site.server.reconfigure(Http("127.0.0.1", 0))
    assert (await site.get("/livez"))[0] == 200


async def test_an_address_of_nobody_is_told_for_people(site: Site) -> None:
    with pytest.raises(ServiceUnreachable, match=r"cannot serve HTTP on 192\.0\.2\.1:80: "):
        await site.server.reconfigure(Http("192.0.2.1", 80))
    assert (await site.get("/livez"))[0] == 200


async def test_a_new_configuration_is_seen_at_once_for_single_targets(site: Site) -> None:
    assert (await site.get("/api/targets/default/us-east-1/stack/new"))[0] == 404
    site.peek.config = config_of(STACKS.replace("network", "new"), site.peek.config.state)
    await site.peek.see(site.peek.config.targets[0], attempt(0, "SUCCEEDED"))
    assert (await site.get("/api/targets/default/us-east-1/stack/new"))[1]["standing"] == "succeeded"
    assert (await site.get("/api/targets/default/us-east-1/stack/network"))[0] == 404


async def test_another_token_ends_the_streams_of_the_one_before(tmp_path: Path) -> None:
    async with serving(tmp_path, token=SecretStr(TOKEN)) as site:
        url, headers = f"{site.url}/api/stream", {"Authorization": f"Bearer {TOKEN}"}
        async with site.http.get(url, headers=headers) as stream:
            assert stream.status == 200
            await site.server.reconfigure(Http("127.0.0.1", 0, SecretStr(TOKEN)))
            assert not stream.content.at_eof(), "the same token is no other"
            await site.server.reconfigure(Http("127.0.0.1", 0, SecretStr("another-token")))
            async with asyncio.timeout(PATIENCE):
                await stream.content.read()  # to its end
        async with site.http.get(url, headers=headers) as refused:
            assert refused.status == 401


def held_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold up the store's query for events. The first flag is set once it is called; the second lets it continue."""
    events, asked, go = site.peek.reader.events, asyncio.Event(), asyncio.Event()

    async def slow(query: EventQuery) -> Any:
        asked.set()
        await go.wait()
        return await events(query)

    monkeypatch.setattr(site.peek.reader, "events", slow)
    return asked, go


async def test_a_stream_that_was_opening_while_the_token_changed_ends_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, token=SecretStr(TOKEN)) as site:
        asked, go = held_up(site, monkeypatch)
        url, headers = f"{site.url}/api/stream", {"Authorization": f"Bearer {TOKEN}"}
        opening = asyncio.create_task(site.http.get(url, headers=headers))
        await asked.wait()
        await site.server.reconfigure(Http("127.0.0.1", 0, SecretStr("another-token")))
        go.set()
        async with asyncio.timeout(PATIENCE):
            await (await opening).content.read()  # to its end


async def test_a_first_token_ends_the_streams_that_needed_none(site: Site) -> None:
    async with site.http.get(f"{site.url}/api/stream") as stream:
        await site.server.reconfigure(Http("127.0.0.1", 0, SecretStr(TOKEN)))
        async with asyncio.timeout(PATIENCE):
            await stream.content.read()  # to its end


async def test_what_is_being_answered_at_an_address_that_is_left_is_answered(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = held_up(site, monkeypatch)
    old = site.url
    asking = asyncio.create_task(site.get("/api/events"))
    await asked.wait()
    leaving = asyncio.create_task(site.server.reconfigure(Http("localhost", 0)))
    await until(lambda: site.url != old)
    asyncio.get_running_loop().call_later(0.3, go.set)  # later than what is cut at once
    assert (await asking)[0] == 200
    await leaving


async def test_a_target_that_leaves_while_it_is_told_of_is_not_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, events = site.peek.config, site.peek.reader.events
    leaving = here.targets[0].id
    looked = site.peek.target

    async def left_meanwhile(query: EventQuery) -> Any:
        site.peek.config = config_of(STACKS.replace("network", "new"), here.state)
        return await events(query)

    def configured(target_id: str) -> Any:
        """Like the daemon's own method, it raises KeyError for a target that is not configured."""
        return {target.id: looked(target.id) for target in site.peek.config.targets}[target_id]

    monkeypatch.setattr(site.peek.reader, "events", left_meanwhile)
    monkeypatch.setattr(site.peek, "target", configured)
    status, body, _ = await site.get(f"/api/targets/{leaving}")
    assert (status, list(body)) == (404, ["error"])
    assert (await site.get(f"/api/targets/{leaving}/badge.svg"))[0] == 404
