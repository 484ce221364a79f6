"""The stand-in for PagerDuty, as PagerDuty's own client sees it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pagerduty
import pytest
import trustme

from tests.integration.receiver import Receiver
from tests.support.incidents import PagerDuty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


NOW = "2026-11-23T08:00:00Z"
"""The client cannot read the clock itself (7.2.0)."""


@asynccontextmanager
async def client_of(service: PagerDuty, key: str) -> AsyncIterator[pagerduty.EventsApiV2Client]:
    """PagerDuty's client, which uses TLS only."""
    authority = trustme.CA()
    server, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(trust)
    receiver = Receiver(answer=service.answer)
    await receiver.start(server)
    try:
        with pagerduty.EventsApiV2Client(key, base_url=receiver.url(""), verify=trust, trust_env=False) as client:
            yield client
    finally:
        await receiver.stop()


async def test_pagerdutys_own_client_opens_and_resolves_an_alert_and_sends_a_change() -> None:
    service = PagerDuty()
    async with asyncio.timeout(60), client_of(service, service.key) as client:
        assert await asyncio.to_thread(client.trigger, "it is broken", "here", "a", "warning") == "a"
        assert await asyncio.to_thread(client.trigger, "it is still broken", "here", "a") == "a"
        assert (service.opened, len(service.open["a"])) == (["a"], 2)
        await asyncio.to_thread(client.resolve, "a")
        assert (service.open, service.resolved) == ({}, ["a"])
        await asyncio.to_thread(client.resolve, "never opened")
        await asyncio.to_thread(client.submit, "it was changed", "here", {"by": "whom"}, None, NOW)
    assert len(service.changes) == 1


async def test_pagerdutys_own_client_is_refused_with_400() -> None:
    async with asyncio.timeout(60), client_of(PagerDuty(), "too short") as client:
        with pytest.raises(pagerduty.HttpError) as caught:
            await asyncio.to_thread(client.trigger, "it is broken", "here", "a")
    assert caught.value.response.status_code == 400
    assert caught.value.response.json()["status"] == "invalid event"
