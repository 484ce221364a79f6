"""Every attack on a sink that posts is refused: by address, by redirect, by an answer without end, by a false name."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from yarl import URL

from tests.integration.receiver import OK, Receiver, Reply, receiving
from tests.integration.webhooks import QUICK, a_delivery, resolve_to, sending, try_once
from watcher.core.deliveries import Verdict
from watcher.errors import SinkError
from watcher.sinks import poster as posting
from watcher.sinks.http import HttpOptions
from watcher.sinks.poster import Poster
from watcher.util.http_responses import MOST_RESPONSES, _Responses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

OPTIONS = HttpOptions.model_construct(name="ops", timeout=30.0)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def secure(authority: trustme.CA) -> Callable[..., Any]:
    """Starts a receiver with a certificate."""

    @asynccontextmanager
    async def start(
        name: str = "127.0.0.1", issuer: trustme.CA = authority, **validity: Any
    ) -> AsyncIterator[Receiver]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issuer.issue_cert(name, **validity).configure_cert(context)
        async with receiving(tls=context) as made:
            yield made

    return start


# Attacks.


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "127.8.8.8", "0.0.0.0", "0", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]",  # noqa: S104  refused, not bound
     "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
     "169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::254]", "[fd00:ec2::23]", "[fe80::1]",
     "[::ffff:169.254.169.254]", "0xa9fea9fe", "2852039166"],
)  # fmt: skip
async def test_no_form_of_an_address_of_this_machine_is_posted_to(receiver: Receiver, host: str) -> None:
    url = f"http://{host}:{receiver.port}/latest/meta-data"
    # Numbers that only some resolvers take for addresses are no URL to aiohttp.
    with pytest.raises(SinkError, match=r"allow_private|the URL, or a header, cannot be sent") as raised:
        await try_once(url, allow_private=False)
    assert "meta-data" not in str(raised.value)
    assert not receiver.received


async def test_a_name_that_is_pointed_elsewhere_after_it_was_checked_is_refused(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: an honest address first, then one of this machine, for each new connection."""
    resolve_to(monkeypatch, "127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")
    url = f"http://receiver.example:{receiver.port}/"
    for address in ("127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"):
        with pytest.raises(SinkError, match=f"{address} .*allow_private"):
            await try_once(url, allow_private=False)
    assert not receiver.received


async def test_a_name_that_leads_to_this_machines_own_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an injected interface has it; an address of documentation, to which nothing is sent."""
    monkeypatch.setattr(posting, "own_addresses", lambda: frozenset({"203.0.113.7"}))
    resolve_to(monkeypatch, "203.0.113.7")
    with pytest.raises(SinkError, match=r"203\.0\.113\.7 is this machine's own address; set `allow_private: true`"):
        await try_once("http://receiver.example:9/", allow_private=False)


async def test_a_name_with_several_refused_addresses_tells_of_each() -> None:
    poster = Poster("https://localhost:9/", OPTIONS)
    with pytest.raises(SinkError, match=r"loopback") as raised:
        await poster.request("POST", URL("https://localhost:9/"), b"", {})
    assert "Multiple" not in str(raised.value)
    await poster.close()


async def test_a_redirect_to_an_internal_address_is_not_followed(receiver: Receiver) -> None:
    async with receiving() as inside:
        for status in (301, 302, 303, 307, 308):
            receiver.script.append(Reply(status, {"Location": inside.url("/credentials")}))
            answer = await try_once(receiver.url())
            assert answer.verdict is Verdict.LATER
            assert answer.text.endswith("redirects are not followed")
            assert str(inside.port) not in answer.text
        assert not inside.received


async def test_plain_http_is_refused_unless_allowed(receiver: Receiver) -> None:
    with pytest.raises(SinkError, match="allow_http") as raised:
        await try_once(receiver.url("/T0P"), allow_http=False)
    assert "T0P" not in str(raised.value)
    assert not receiver.received


@pytest.mark.parametrize("status", ["200 OK", "500 No"])
async def test_an_endless_body_is_read_for_64_kib_and_cut(receiver: Receiver, status: str) -> None:
    sent = [0]

    def endless() -> Iterator[bytes]:
        yield f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n\r\n".encode()
        for _ in itertools.count():
            sent[0] += 65_536
            yield b"x" * 65_536

    receiver.script.append(Reply(raw=endless))
    async with sending(receiver.url()) as sink:
        (answer,) = await sink.send([a_delivery()])
        await receiver.until_true(lambda: receiver.broken_off == 1)
    assert answer.verdict is (Verdict.TAKEN if status == "200 OK" else Verdict.LATER)
    assert len(answer.text) <= 200
    assert sent[0] < 16 * 1024 * 1024  # what fits between two sockets


async def test_4_kib_of_an_answers_first_line_are_kept(receiver: Receiver) -> None:
    receiver.script.append(Reply(500, body=b"\n \n" + b"x" * 100_000 + b"\ny"))
    poster = Poster(receiver.url(), OPTIONS.model_copy(update={"allow_http": True, "allow_private": True}))
    response = await poster.request("POST", URL(receiver.url()), b"{}", {})
    await poster.close()
    assert response.text == "x" * 4_096


@pytest.mark.parametrize(
    "header", [b"X-Again: %d\r\n", b"X: " + b"x" * 9000 + b"%d\r\n"], ids=["very many", "very long"]
)
async def test_endless_headers_are_cut(receiver: Receiver, header: bytes) -> None:
    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        for number in itertools.count():
            yield header % number

    receiver.script.append(Reply(raw=endless))
    async with sending(receiver.url()) as sink:
        (answer,) = await sink.send([a_delivery()])
        await receiver.until_true(lambda: receiver.broken_off == 1)
    assert answer.verdict is Verdict.LATER
    assert "too many or too long headers" in answer.text


async def test_an_endless_header_line_is_cut(receiver: Receiver) -> None:
    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nX: "
        yield from itertools.repeat(b"x" * 1000)

    receiver.script.append(Reply(raw=endless))
    answer = await try_once(receiver.url())
    assert answer.verdict is Verdict.LATER


async def test_interim_answers_without_end_are_cut(receiver: Receiver) -> None:
    receiver.script.append(Reply(raw=lambda: itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)))
    answer = await try_once(receiver.url())
    assert (answer.verdict, "its response is not HTTP" in answer.text) == (Verdict.LATER, True)


async def test_some_interim_answers_are_skipped(receiver: Receiver) -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\n" * 5
    receiver.answer = lambda _: Reply(raw=lambda: [interim + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    assert (await try_once(receiver.url())).verdict is Verdict.TAKEN


async def test_the_event_loop_is_not_held_by_interim_answers() -> None:
    """As many as come in one read are parsed and skipped without a pause."""
    connection = _Responses(asyncio.get_running_loop())
    connection.set_response_params()
    connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)
    assert len(connection._buffer) == MOST_RESPONSES
    connection = _Responses(asyncio.get_running_loop())
    for _ in range(2 * MOST_RESPONSES):  # requests on a connection that is kept
        connection.set_response_params()
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert len(connection._buffer) == 2 * MOST_RESPONSES


async def test_headers_that_drip_are_cut_at_the_time_out(receiver: Receiver) -> None:
    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        for number in itertools.count():
            yield b"X-%d: 1\r\n" % number

    receiver.script.append(Reply(raw=drip, pace=0.02))
    answer = await try_once(receiver.url(), timeout=QUICK)
    assert (answer.verdict, answer.text) == (Verdict.LATER, f"127.0.0.1:{receiver.port}: no response within 1 s")


async def test_a_body_that_drips_or_is_cut_leaves_the_status_standing(receiver: Receiver) -> None:
    """A receiver that said 200 has the event: sending it again would be a repeat."""

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        yield from itertools.repeat(b"x")

    def cut() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx"

    receiver.script.extend([Reply(raw=drip, pace=0.02), Reply(raw=cut), OK])
    async with sending(receiver.url(), timeout=QUICK) as sink:
        answers = [await sink.send([a_delivery()]) for _ in range(3)]
    assert [answer.verdict for (answer,) in answers] == [Verdict.TAKEN] * 3


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/9.9 abc\r\n\r\n", b"\x00\x01\x02\r\n\r\n"])
async def test_what_is_no_http_is_no_answer(receiver: Receiver, answer: bytes) -> None:
    receiver.script.append(Reply(raw=lambda: [answer]))
    assert (await try_once(receiver.url("/T0P"))).verdict is Verdict.LATER


# TLS.


async def test_only_the_given_authority_is_believed(
    secure: Callable[..., Any], ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with secure() as receiver:
        answer = await try_once(receiver.url(), ca_file=ca_file, allow_http=False)
        assert answer.verdict is Verdict.TAKEN
        with pytest.raises(SinkError, match=r"its certificate is not trusted: .*issuer"):
            await try_once(receiver.url("/T0P"), allow_http=False)  # by the system's authorities
        monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")  # which OpenSSL passes over in silence
        with pytest.raises(SinkError, match=r"SSL_CERT_FILE names /no/such/file\.pem: No such file or directory$"):
            await try_once(receiver.url("/T0P"), allow_http=False)
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ({"name": "another.example"}, "not valid for '127.0.0.1'"),
        ({"issuer": trustme.CA()}, "issuer|self.signed"),
        ({"not_after": datetime.now(UTC) - timedelta(days=1)}, "expired"),
    ],
    ids=["another's", "of an authority that is not believed", "expired"],
)
async def test_a_certificate_is_refused(
    secure: Callable[..., Any], ca_file: str, certificate: dict[str, Any], words: str
) -> None:
    async with secure(**certificate) as receiver:
        with pytest.raises(SinkError, match=f"its certificate is not trusted: .*({words})") as raised:
            await try_once(receiver.url("/T0P"), ca_file=ca_file)
    assert "T0P" not in str(raised.value)
    assert not receiver.received


async def test_a_receiver_without_tls_gets_nothing_over_https(receiver: Receiver) -> None:
    with pytest.raises(SinkError, match="no TLS connection"):
        await try_once(receiver.url().replace("http:", "https:"))
    assert not receiver.received


async def test_an_authority_that_cannot_be_read_is_named(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"ca_file .*nothing.pem: No such file"):
        await try_once(receiver.url(), ca_file=str(tmp_path / "nothing.pem"))
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(SinkError, match=r"ca_file .*empty.pem"):
        await try_once(receiver.url(), ca_file=str(tmp_path / "empty.pem"))
