"""The certificate authorities that clients of AWS trust: a file of them is read once, and again when it has changed."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import pytest
import trustme
from aiobotocore.httpsession import AIOHTTPSession

from tests.integration.receiver import json_reply, receiving
from tests.integration.test_proxy import VARIABLES
from tests.integration.test_signed_calls import client, outcome
from watcher.aws import http_session

if TYPE_CHECKING:
    from pathlib import Path

build = AIOHTTPSession._build_ssl_contexts


@pytest.fixture(autouse=True)
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read: nothing before the test."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-tests")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    files: list[str] = []

    def counted(session: AIOHTTPSession, proxy_url: str | None) -> object:
        files.append(session._verify)
        return build(session, proxy_url)

    monkeypatch.setattr(AIOHTTPSession, "_build_ssl_contexts", counted)
    monkeypatch.setattr(http_session, "_CONTEXTS", WeakValueDictionary())
    return files


def authority(file: Path) -> trustme.CA:
    """A new authority, the only one in the file."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(file.with_suffix(".new")))
    file.with_suffix(".new").replace(file)
    return made


async def test_clients_share_a_file_of_authorities_and_a_changed_one_is_read_again(
    read: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, context = tmp_path / "ca.pem", ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority(file).issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    async with receiving(tls=context) as aws, AsyncExitStack() as clients:
        aws.answer = lambda _: json_reply(200)
        for _ in range(3):
            assert (await outcome(await clients.enter_async_context(client(aws.url("")))))[0] == "answer"
        assert read == [str(file)]
        authority(file)
        for _ in range(2):
            refused = await outcome(await clients.enter_async_context(client(aws.url(""))))
            assert refused[:2] == ("EndpointUnreadable", "TLSFailed")
        assert read == [str(file)] * 2


@pytest.mark.parametrize("whose", ["the client certificate", "the proxy"])
def test_a_context_that_a_client_certificate_or_a_proxy_changes_is_not_shared(whose: str, tmp_path: Path) -> None:
    file = str(tmp_path / "ca.pem")
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(file)
    usual = http_session.BoundedSession(verify=file)
    other = http_session.BoundedSession(verify=file, client_cert=file if whose == "the client certificate" else None)
    proxy = "http://127.0.0.1:9" if whose == "the proxy" else None
    shared, _ = usual._build_ssl_contexts(None)
    assert usual._build_ssl_contexts(None)[0] is shared
    assert shared not in other._build_ssl_contexts(proxy)
    assert usual._build_ssl_contexts(None)[0] is shared
