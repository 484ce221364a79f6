"""The headers and the body of a webhook's post. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cloudevents.core.bindings.http import to_binary_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook

from watcher.core.ports import Delivery

STRUCTURED = "application/cloudevents+json; charset=utf-8"


class Requests:
    """Makes the request for each delivery."""

    def __init__(self, *, binary: bool, headers: Mapping[str, str], secrets: Sequence[str]) -> None:
        """Take the mode, the user's headers, and the signing secrets."""
        self._encode = binary_request if binary else structured_request
        self._headers = headers
        self._signers = [Webhook(secret) for secret in secrets]

    def request(self, delivery: Delivery, now: datetime) -> tuple[Mapping[str, str], bytes]:
        """Return the headers and the body; `now` is in UTC."""
        own, body = self._encode(delivery)
        headers = CIMultiDict(self._headers)
        headers.update(own)
        headers.update(signature_headers(delivery.id, body, self._signers, now))
        return headers, body


def structured_request(delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
    """Return the headers, and as the body the whole CloudEvent."""
    return {"Content-Type": STRUCTURED}, delivery.body.encode()


def binary_request(delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
    """Return the CloudEvent's attributes as `ce-` headers, and as the body its data."""
    message = to_binary_event(JSONFormat().read(CloudEvent, delivery.body))
    return message.headers, message.body


def signature_headers(delivery_id: str, body: bytes, signers: Sequence[Webhook], now: datetime) -> Mapping[str, str]:
    """Return the Standard Webhooks headers for `body`; without `signers`, no signature. `now` is in UTC."""
    headers = {"webhook-id": delivery_id, "webhook-timestamp": str(int(now.timestamp()))}
    if signers:
        text = body.decode()
        headers["webhook-signature"] = " ".join(one.sign(delivery_id, now, text) for one in signers)
    return headers
