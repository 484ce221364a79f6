"""Which hosts and tokens give access."""

from __future__ import annotations

import base64

import pytest

from watcher.web.auth import Tokens, addressed_here, authorized

TOKEN = "s3cret:with-colon-é"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN}",
        f"bearer   {TOKEN} ",
        basic(f"anyone:{TOKEN}"),
        basic(f":{TOKEN}"),
        basic(f"u:{TOKEN}").replace("Basic", "BASIC"),
    ],
)
def test_the_token_is_taken_as_bearer_and_as_password(authorization: str) -> None:
    assert authorized(authorization, Tokens(TOKEN))


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Digest {TOKEN}", TOKEN, "Basic",
        "Basic !!!", "Basic é", basic(TOKEN), basic(f"{TOKEN}:"), basic("u:"), basic(f"u:{TOKEN} "), "Bearer \udcff",
        "Basic \udcff",
    ],
)  # fmt: skip
def test_nothing_else_is(authorization: str | None) -> None:
    assert not authorized(authorization, Tokens(TOKEN))


@pytest.mark.parametrize("authorization", [None, "Bearer whatever"])
def test_without_a_token_everybody_may(authorization: str | None) -> None:
    assert authorized(authorization, Tokens())


@pytest.mark.parametrize(
    ("host", "local", "here"),
    [
        ("127.0.0.1:8080", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost:9999", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("localhost.", "::1", True),
        ("[::1]:8080", "::1", True),
        ("[0:0:0:0:0:0:0:1]", "::1", True),
        ("::1", "::1", True),
        ("10.1.2.3:8080", "10.1.2.3", True),
        ("10.1.2.3:", "10.1.2.3", True),
        ("[2001:DB8::1]:80", "2001:db8::1", True),
        ("[fe80::1]:80", "fe80::1%eth0", True),
        ("127.0.0.1:8080", "172.17.0.2", True),
        ("watcher.internal:8080", "10.1.2.3", True),
        ("Watcher.Internal", "10.1.2.3", True),
        ("evil.example", "127.0.0.1", False),
        ("evil.example:8080", "127.0.0.1", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example:8080", "127.0.0.1", False),
        ("evil.example:127.0.0.1", "127.0.0.1", False),
        ("localhost@evil.example", "127.0.0.1", False),
        ("evil.example#localhost", "127.0.0.1", False),
        ("10.1.2.4:8080", "10.1.2.3", False),
        ("192.168.1.5", "127.0.0.1", False),
        ("127.1", "127.0.0.1", False),
        ("2130706433", "127.0.0.1", False),
        ("[::ffff:7f00:1]", "::1", False),
        ("", "127.0.0.1", False),
        (" localhost", "127.0.0.1", False),
        ("localhost, evil.example", "127.0.0.1", False),
        ("\udcff", "127.0.0.1", False),
    ],
)
def test_only_what_is_addressed_to_the_daemon_is_answered(host: str, local: str, here: bool) -> None:  # noqa: FBT001
    assert addressed_here(host, local, {"watcher.internal"}) is here
