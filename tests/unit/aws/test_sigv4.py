"""Signatures of version 4, beside botocore's and those that AWS published for a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SIGNED_HEADERS_BLACKLIST, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.aws.sigv4 import Keys, Scope, Signer, canonical_request

EXAMPLE = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)

visible = st.characters(min_codepoint=33, max_codepoint=126)
names = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=12)
keys = st.builds(
    Keys, st.text(visible, min_size=1), st.text(visible, min_size=1), st.none() | st.text(visible, min_size=1)
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
moments = st.one_of(st.integers(-3, 3), st.integers(-(10**9), 10**9)).map(lambda s: MIDNIGHT + timedelta(seconds=s))


def by_botocore(scope: Scope, credentials: Keys, stamp: str, sent: dict[str, str], body: bytes) -> str:
    signer = SigV4Auth(Credentials(*credentials), scope.service, scope.region)
    request = AWSRequest("POST", f"https://{sent['host']}/", headers=sent, data=body)
    request.context["timestamp"] = stamp
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"


def check_signature(signer: Signer, credentials: Keys, moment: datetime, headers: dict[str, str], body: bytes) -> None:
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "x-amz-date": stamp, "host": f"{signer.scope.service}.{signer.scope.region}.amazonaws.com"}
    if credentials.token is not None:
        sent["x-amz-security-token"] = credentials.token
    signed = dict(sorted(sent.items()))
    mine = signer.authorization(credentials, stamp, signed, canonical_request("POST", "/", signed, body))
    assert mine == by_botocore(signer.scope, credentials, stamp, sent, body)


signed_names = names.filter(lambda name: name not in SIGNED_HEADERS_BLACKLIST)
"""Names of headers that botocore signs: not `te`, which a proxy may change."""
requests = st.tuples(keys, moments, st.dictionaries(signed_names, header_values, max_size=4), st.binary(max_size=200))
of_any_scope = given(st.builds(Scope, names, names), st.lists(requests, min_size=1, max_size=4))


@of_any_scope
def test_a_signature_is_botocores(scope: Scope, several: list[tuple[Keys, datetime, dict[str, str], bytes]]) -> None:
    signer = Signer(scope)
    for each in several:
        check_signature(signer, *each)


@pytest.mark.soak
@settings(max_examples=10_000)
@of_any_scope
def test_ten_thousand_signatures_are_botocores(
    scope: Scope, several: list[tuple[Keys, datetime, dict[str, str], bytes]]
) -> None:
    signer = Signer(scope)
    for each in several:
        check_signature(signer, *each)


@pytest.mark.parametrize(
    ("method", "headers", "body", "signature"),
    [
        ("GET", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("POST", {"my-header1": "value1"}, b"", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        ("POST", {"my-header1": "VALUE1"}, b"", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        (
            "GET",
            {"my-header1": " value1", "my-header2": ' "a   b   c"'},
            b"",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "POST",
            {"content-type": "application/x-www-form-urlencoded"},
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "post-header-key-sort", "post-header-value-case", "get-header-value-trim",
         "post-x-www-form-urlencoded"],
)  # fmt: skip
def test_a_published_example_has_its_signature(
    method: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    """From AWS's test suite for Signature Version 4: https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4."""
    stamp = "20150830T123600Z"
    signed = dict(sorted({**headers, "host": "example.amazonaws.com", "x-amz-date": stamp}.items()))
    made = Signer(Scope("us-east-1", "service")).authorization(
        EXAMPLE, stamp, signed, canonical_request(method, "/", signed, body)
    )
    assert made.rpartition("Signature=")[2] == signature
