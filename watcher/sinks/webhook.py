"""Posts CloudEvents to a webhook (CloudEvents HTTP binding), signed by the Standard Webhooks scheme."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudevents.core.bindings.http import to_binary_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook

from watcher.core.ports import Limits, SendOutcome
from watcher.sinks.http import GRACE, Poster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.core.ports import Delivery
    from watcher.core.settings import SinkSettings
    from watcher.sinks import SinkContext

PARALLEL = 8
"""Posts under way at the same time, of different targets."""

STRUCTURED = "application/cloudevents+json; charset=utf-8"


class WebhookSink:
    """One delivery, one POST."""

    def __init__(self, settings: SinkSettings, context: SinkContext) -> None:  # noqa: ARG002  every sink is built so
        """Nothing is opened before the first send."""
        options = settings.options
        self.name = settings.name
        self.limits = Limits(parallel=PARALLEL, deadline=options.timeout + GRACE)
        self._binary = options.mode == "binary"
        self._headers = {name: value.get_secret_value() for name, value in options.headers.items()}
        secrets = [secret.get_secret_value() for secret in (options.secret, *options.secrets) if secret is not None]
        self._signers = [Webhook(secret) for secret in secrets]
        bare = [secret.rpartition("_")[2] for secret in secrets]  # without whsec_
        self._poster = Poster.of(options.url, options, [*self._headers.values(), *secrets, *bare])

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        """See `protocols.Sink`."""
        (delivery,) = deliveries
        own, body = binary(delivery) if self._binary else structured(delivery)
        headers = CIMultiDict(self._headers)
        headers.update(own)
        headers.update(signature_headers(delivery.id, body, self._signers, datetime.now(UTC)))
        verdict, text = await self._poster.deliver(body, headers)
        return [SendOutcome(delivery, verdict, text)]

    async def close(self) -> None:
        """See `protocols.Sink`."""
        await self._poster.close()


def structured(delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
    """The whole CloudEvent as the body. Pure."""
    return {"Content-Type": STRUCTURED}, delivery.body.encode()


def binary(delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
    """The CloudEvent's attributes as `ce-` headers, its data as the body. Pure."""
    message = to_binary_event(JSONFormat().read(CloudEvent, delivery.body))
    return message.headers, message.body


def signature_headers(delivery_id: str, body: bytes, signers: Sequence[Webhook], now: datetime) -> Mapping[str, str]:
    """The Standard Webhooks headers for these very bytes; without signers there is no signature. `now` in UTC. Pure."""
    headers = {"webhook-id": delivery_id, "webhook-timestamp": str(int(now.timestamp()))}
    if signers:
        text = body.decode()
        headers["webhook-signature"] = " ".join(one.sign(delivery_id, now, text) for one in signers)
    return headers
