"""No secret is shown, however it is encoded, and no character that a terminal would interpret."""

from __future__ import annotations

import html
import json
import time
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha512
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.util import redaction
from watcher.util.redaction import HIDDEN, hider, printable, redact, redacted_excerpt, remember

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJ+abc="
KEY_ID = "ASIAIOSFODNN7EXAMPLE"


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the secrets of one test before the next."""
    monkeypatch.setattr(redaction, "_remembered", redaction._Remembered())


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
def test_a_text_that_is_not_a_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_values_that_are_known_are_hidden_wherever_they_stand() -> None:
    remember("hunter22", None, "", "abc")
    assert redact("a hunter22, ahunter22b; abc") == f"a {HIDDEN}, a{HIDDEN}b; abc"


@pytest.mark.parametrize("order", [1, -1])
def test_a_secret_that_begins_like_another_leaves_no_rest_of_it(order: int) -> None:
    remember(*["swordfish", "swordfish-and-chips", "and-chips"][::order])
    assert redact("swordfish-and-chips!") == f"{HIDDEN}!"


TOKENS = [
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw==",
    "9f86d081884c7d659a2feaa0c55ad015",
    "schlüssel-für-müßige-4ufgaben",
    'p4ss wörd & "more" <than> that\'s%worth',
]


def every(form: str) -> Callable[[str], str]:
    """Each letter, or each byte of it, written in a form."""
    return lambda text: "".join(form % code for code in (text.encode() if form.startswith("%%") else map(ord, text)))


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "swapped case": str.swapcase,
    "JSON": in_json,
    "JSON, every letter": every("\\u%04x"),
    "JSON, every letter, upper case": every("\\u%04X"),
    "JavaScript, every letter": every("\\u{%x}"),
    "octal, every byte": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "JSON as PHP writes it": lambda text: in_json(text).replace("/", "\\/"),
    "JSON within JSON within JSON": lambda text: in_json(in_json(in_json(text))),
    "Python": lambda text: repr(text)[1:-1],
    "Python, bytes": lambda text: repr(text.encode())[2:-1],
    "HTML": html.escape,
    "HTML, every letter": every("&#%d;"),
    "HTML, every letter, hexadecimal": every("&#x%X;"),
    "HTML, every letter, without semicolons": every("&#%d"),
    "HTML by names": lambda text: text.replace("/", "&sol;").replace("+", "&plus;").replace("=", "&equals;"),
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "percent": lambda text: quote(text, safe=""),
    "percent, as a form": quote_plus,
    "percent, every byte": every("%%%02x"),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent in HTML in JSON": lambda text: in_json(html.escape(quote(text, safe="/")).upper()),
    "HTML in percent": lambda text: quote(html.escape(text)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", TOKENS)
def test_a_secret_is_hidden_in_every_form_whole_and_cut_short(secret: str, form: str) -> None:
    if (form == "HTML by names" and "&" in secret) or ("case" in form and not secret.isascii()):
        return  # its own & would begin an entity; only letters of ASCII have another case
    hide = hider([secret])
    last = secret.rpartition(" ")[2]
    for part in (secret, last[:-1], last[:8], last[1:], last[-8:]):
        shown = hide(f"sent <{FORMS[form](part)}>, which is wrong")
        assert shown == f"sent <{HIDDEN}>, which is wrong", part
    remember(secret)
    for part in (secret, secret[:-1], secret[:25]):
        shown = redact(f"sent <{FORMS[form](part)}>, which is wrong")
        assert shown == f"sent <{HIDDEN}>, which is wrong", part


@pytest.mark.parametrize("secret", [*TOKENS, "8letters"])
@pytest.mark.parametrize("around", ["", "a", "ab", "user:"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode, bytes.hex])
def test_a_secret_is_hidden_in_base64_and_hexadecimal_wherever_it_stands_in_the_text(
    secret: str, around: str, encode: Callable[[bytes], str | bytes]
) -> None:
    made = encode(f"{around}{secret}{around}".encode())
    written = made if isinstance(made, str) else made.decode()
    remember(secret)
    for hide in (redact, hider([secret])):
        before, found, after = hide(f"sent {written}").partition(HIDDEN)
        assert found
        rest = len(written) - len(encode(secret.encode()))
        assert len(before.removeprefix("sent ")) + len(after.replace(HIDDEN, "")) <= rest + 8


def test_eight_letters_of_a_secret_give_it_away_unless_they_are_words() -> None:
    secret = TOKENS[0]
    remember(secret)
    for response, shown in (
        (secret[:8], HIDDEN),
        (secret[:7], secret[:7]),
        ("EXAMPLEKEY", "EXAMPLEKEY"),
        (secret[-15:], HIDDEN),
    ):
        assert redact(f"…{response}…") == f"…{shown}…"


def test_what_was_sent_to_a_receiver_is_hidden_from_eight_letters_on_even_if_they_are_words() -> None:
    values = ["Bearer hush-hush-token", "correct horse battery", "ab"]
    hide = hider(values, ["/services/of/mine?key", "workflows", "/hook/T0PS3CRET/run", "/triggers/manual/run"])
    for response, shown in (
        ("got 'hush-hus'", f"got '{HIDDEN}'"),
        ("got 'Hush-Hush-Token'", f"got '{HIDDEN}'"),
        ("got '…sh-token'", f"got '…{HIDDEN}'"),
        ("BEARER%20HUSH%2DHUSH-TOKEN", HIDDEN),
        ("Bearer who?", "Bearer who?"),
        ("/services/of/mine?key", HIDDEN),
        ("the /services/of/all", "the /services/of/all"),
        ("POST /hook/T0PS…", f"POST {HIDDEN}…"),
        (
            "The workflow and its trigger /triggers/manual are off",
            "The workflow and its trigger /triggers/manual are off",
        ),
        ("/Triggers%2FManual%2Frun", HIDDEN),
        ("correct horse", "correct horse"),
        ("ab AB", f"{HIDDEN} AB"),
    ):
        assert hide(response) == shown


@pytest.mark.parametrize("header", ["Basic b3BzOnh5LTkxODM6cGxvdmVy", "basic b3BzOnh5LTkxODM6cGxvdmVy"])
def test_what_a_header_of_basic_authentication_holds_is_hidden(header: str) -> None:
    remember(header)
    for hide in (hider([header]), redact):
        assert hide("no user ops:xy-9183:plover") == f"no user {HIDDEN}"
        assert hide("wrong password XY-9183%3aplover") == f"wrong password {HIDDEN}"
        assert hide(f"got {header}") in (f"got {HIDDEN}", f"got {header[:6]}{HIDDEN}")
        assert hide("ops of Basic") == "ops of Basic"


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Basic Og=="])
def test_a_header_that_is_odd_is_hidden_as_it_is(header: str) -> None:
    remember(header)
    assert hider([header])(f"got {header}, ops") in (f"got {HIDDEN}, ops", f"got Basic {HIDDEN}, ops")


ORDINARY = [
    "watcher-prod", "password-of-mine", "111122223333", "Template-Sync-Key", "2026-11-23-rotated",
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "mailto://me:pw@example.com",
    "repository", "Bearer of-bad-news",
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "watcher-reader and Watcher-Prods of role/watcher-",
        "wrong password, passwords and PASSWORDS",
        "account 1111222244 at 2026-11-23T08:00:00Z",
        "TEMPLATE-SYNC failed: template-synced",
        "https://hooks.slack.com/docs answered; hooks.slack.com: no connection",
        "mailto://example.com, https://example.com",
        "repositories of a reposit",
        "Bearer of tokens, bad-news",
        "100%25 of &lt;them&gt; \\u0041 \\\\ C:\\x41 &nothing; %zz",
    ],
)
def test_words_and_numbers_with_which_a_secret_begins_stay(text: str) -> None:
    remember(*ORDINARY)
    shown = redact(text)
    assert shown.replace(HIDDEN, "") == text.replace("Watcher-Prod", "")
    assert shown.count(HIDDEN) == text.count("Watcher-Prod")


CASES = (str.upper, str.lower)
ESCAPES: list[Callable[[str], str]] = [
    str, *CASES, every("%%%02x"), every("%%%02X"), every("&#%d;"), every("\\u%04x"), every("&#x%x;"),
]  # fmt: skip


@given(
    st.text(st.characters(max_codepoint=0x17F, categories=("L", "N", "P", "S")), min_size=8, max_size=40),
    st.text(max_size=20),
    st.data(),
)
def test_any_secret_is_hidden_whatever_each_of_its_letters_is_written_as(
    secret: str, around: str, data: st.DataObject
) -> None:
    if secret in around or any(mark in secret + around for mark in "\\%&;#"):
        return  # letters around it could make other letters of it
    ways = data.draw(st.lists(st.sampled_from(ESCAPES), min_size=len(secret), max_size=len(secret)))
    written = "".join(
        letter if way in CASES and not letter.isascii() else way(letter)
        for way, letter in zip(ways, secret, strict=True)
    )
    shown = hider([secret])(f"{around} {written} {around}")
    assert HIDDEN in shown
    assert written not in shown


def cost(text: str) -> float:
    """The least processor time of three runs, in seconds."""

    def once() -> float:
        begun = time.process_time()
        redact(text)
        return time.process_time() - begun

    return min(once() for _ in range(3))


@pytest.mark.alone
@pytest.mark.parametrize(
    ("beginning", "repeated"),
    [
        ("", "authorization"),
        ("", "authorization: "),
        ("authorization", " "),
        ("", "://"),
        ("://", "a"),
        ("", "AKIA"),
        ("signature", "\\"),
        ("", "%25"),
        ("", "%41"),
        ("", "&amp;"),
        ("", "&#97;"),
        ("", "\\u0061"),
        ("", sha512(b"\0").hexdigest()),
        ("", sha512(b"\0").hexdigest()[:8]),
    ],
)
def test_no_text_takes_long(beginning: str, repeated: str) -> None:
    """60 KB of it, and many secrets, some of which look like it, beside 60 KB of ordinary text and none."""
    control = cost("ordinary words: " * 4_000)
    tokens = [sha512(bytes([number])).hexdigest() for number in range(200)]
    remember(*tokens, "a" * 500, "a" * 99 + "b2C", "://" * 100, "AKIA" * 100, "\\" * 99, repeated * 20)
    assert cost(beginning + repeated * (60_000 // len(repeated)) + "!") < 25 * control


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
    shown = redacted_excerpt("a" * length + secret * 40, longest)
    assert shown.endswith("… [cut]")
    assert len(shown) <= longest
    assert "hush" not in shown


def test_a_short_text_is_an_excerpt_as_it_is() -> None:
    assert redacted_excerpt("no such file, é") == "no such file, é"


def test_an_excerpt_of_a_long_text_does_not_take_long() -> None:
    begun = time.process_time()
    redacted_excerpt("AKIA://signature" * 60_000)
    assert time.process_time() - begun < 0.5
