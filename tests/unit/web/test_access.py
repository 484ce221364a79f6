"""Who may look."""

from __future__ import annotations

import base64

import pytest

from watcher.web.access import may

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
    assert may(authorization, TOKEN)


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Digest {TOKEN}", TOKEN, "Basic",
        "Basic !!!", "Basic é", basic(TOKEN), basic(f"{TOKEN}:"), basic("u:"), basic(f"u:{TOKEN} "), "Bearer \udcff",
        "Basic \udcff",
    ],
)  # fmt: skip
def test_nothing_else_is(authorization: str | None) -> None:
    assert not may(authorization, TOKEN)


@pytest.mark.parametrize("authorization", [None, "Bearer whatever"])
def test_without_a_token_everybody_may(authorization: str | None) -> None:
    assert may(authorization, None)
