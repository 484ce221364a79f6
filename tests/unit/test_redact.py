"""No secret is shown, whatever it is wrapped in; and nothing that a terminal would act on."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher import redact as redact_module
from watcher.redact import HIDDEN, excerpt, printable, redact, remember

TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJ+abc="
KEY_ID = "ASIAIOSFODNN7EXAMPLE"


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has remembered, the next one does not know."""
    monkeypatch.setattr(redact_module, "_known", {})
    monkeypatch.setattr(redact_module, "_passing", {})


@pytest.mark.parametrize(
    "text",
    [
        f"x-amz-security-token:{TOKEN}\nx-amz-target:Proton",
        f"X-Amz-Security-Token: {TOKEN}",
        f"{{'X-Amz-Security-Token': '{TOKEN}'}}",
        f"{{'X-Amz-Security-Token': b'{TOKEN}', 'Host': b'a'}}",
        json.dumps({"SessionToken": TOKEN}),
        json.dumps({"body": json.dumps({"sessionToken": TOKEN})}),
        json.dumps({"body": json.dumps({"answer": json.dumps({"sessionToken": TOKEN})})}),
        f"<Credentials><SessionToken>{TOKEN}</SessionToken></Credentials>",
        f"<SecretAccessKey>{TOKEN}</SecretAccessKey>",
        f"AWS_SECRET_ACCESS_KEY={TOKEN}",
        f"aws_secret_access_key = {TOKEN}",
        f"https://sts.amazonaws.com/?X-Amz-Signature={TOKEN}&X-Amz-Date=1",
        f"Authorization: Bearer {TOKEN}",
        f"Authorization: Basic {TOKEN}",
        f"authorization: {TOKEN} was refused",
        f"{{'Authorization': b'Bearer {TOKEN}'}}",
        json.dumps({"authorization": f"Bearer {TOKEN}"}),
        f"Authorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/us-east-1, SignedHeaders=host, Signature={TOKEN}",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    shown = redact(text)
    assert TOKEN[:10] not in shown
    assert TOKEN[-6:] not in shown
    assert KEY_ID not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"the key {KEY_ID} is unknown", f"the key {HIDDEN} is unknown"),
        ("AKIAIOSFODNN7EXAMPLE", HIDDEN),
        ("https://user:pass@host/x?y=1", f"https://{HIDDEN}@host/x?y=1"),
        ("https://user:p@ss@host/x", f"https://{HIDDEN}@host/x"),
        ("cannot reach 'http://me:pw@proxy:3128'", f"cannot reach 'http://{HIDDEN}@proxy:3128'"),
        ("x-amz-security-token:abc\nhost:x", f"x-amz-security-token:{HIDDEN}\nhost:x"),
        ('{"sessionToken": "abc", "a": 1}', f'{{"sessionToken": "{HIDDEN}", "a": 1}}'),
    ],
)
def test_what_stands_around_a_secret_stays(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Signature expired: 20261123T080000Z is now earlier than 20261123T081000Z",
        "User: arn:aws:iam::111122223333:role/watcher is not authorized to perform: proton:GetTemplateSyncStatus",
        "https://proton.us-east-1.amazonaws.com/ answered; write to me@example.com",
        "no session token was found",
        "template AKIA-like",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_values_that_are_known_are_hidden_wherever_they_stand() -> None:
    remember("hunter22", None, "", "abc")
    assert redact("a hunter22, ahunter22b; abc") == f"a {HIDDEN}, a{HIDDEN}b; abc"


@pytest.mark.parametrize("order", [1, -1])
def test_a_secret_that_begins_like_another_leaves_no_rest_of_it(order: int) -> None:
    remember(*["swordfish", "swordfish-and-chips", "and-chips"][::order])
    assert redact("swordfish-and-chips!") == f"{HIDDEN}!"


@pytest.mark.parametrize(
    "text",
    [
        "authorization" * 40_000,
        "authorization: " * 40_000,
        "authorization" + " " * 500_000,
        "://" * 200_000,
        "://" + "a" * 500_000,
        "AKIA" * 100_000 + "!",
        "signature" + "\\" * 500_000,
    ],
    ids=range(7),
)
def test_no_text_takes_long(text: str) -> None:
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 1


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_that_a_terminal_only_shows(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcödé 漢", "plain, ünïcödé 漢"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("longest", [200, 4096])
@pytest.mark.parametrize("length", [0, 100, 4_000, 36_000, 900_000])
def test_an_excerpt_is_bounded_and_has_no_part_of_a_secret(length: int, longest: int) -> None:
    secret = "hush-" * 400
    remember(secret)
    shown = excerpt("a" * length + secret * 40, longest)
    assert shown.endswith("… [cut]")
    assert len(shown) <= longest
    assert "hush" not in shown


def test_a_short_text_is_an_excerpt_as_it_is() -> None:
    assert excerpt("no such file, é") == "no such file, é"


def test_an_excerpt_of_a_long_text_does_not_take_long() -> None:
    begun = time.process_time()
    excerpt("AKIA://signature" * 60_000)
    assert time.process_time() - begun < 0.5
