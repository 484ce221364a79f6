"""`webhook`: CloudEvents by POST (CloudEvents HTTP binding), signed by the Standard Webhooks scheme."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator, SecretStr

from watcher.config.fields import HEADER_NAME_SCHEMA, HTTP_URL, Secret, choice_schema, text_schema
from watcher.config.readers import meant_as_text, one_of
from watcher.config.url_readers import distinct, header_name, http_url
from watcher.core.ports import Delivery, Limits, SendOutcome
from watcher.sinks.http import HttpOptions

PARALLEL = 8
"""Posts under way at the same time, of different targets."""

STRUCTURED = "application/cloudevents+json; charset=utf-8"
"""The type of a body that is a whole CloudEvent."""

_PREFIX = "whsec_"
"""The optional prefix of a secret of the Standard Webhooks scheme; base64 follows."""

_SECRET = rf"^({_PREFIX})?[A-Za-z0-9+/]{{32,86}}={{0,2}}$"


def _url(value: object) -> str:
    return http_url(value, example="https://hooks.example.com/watcher")


def _signing_secret(value: object) -> SecretStr:
    """Read a secret that every library of the scheme decodes to the same bytes: strict base64 of 24 to 64 bytes."""
    text = str(meant_as_text(value, secret=True))
    encoded = text.removeprefix(_PREFIX)
    try:
        key = b64decode(encoded)
    except ValueError:  # also binascii.Error, and letters beyond ASCII
        key = b""
    if not 24 <= len(key) <= 64 or b64encode(key).decode() != encoded:
        raise ValueError(
            f"this must be the base64 of 24 to 64 bytes, with or without {_PREFIX} before it; "
            f"`echo {_PREFIX}$(openssl rand -base64 32)` makes one"
        )
    return SecretStr(text)


SigningSecret = Annotated[SecretStr, PlainValidator(_signing_secret), text_schema(_SECRET)]
HeaderName = Annotated[str, PlainValidator(header_name("the sink", "webhook-", "ce-")), HEADER_NAME_SCHEMA]
_MODES = ("structured", "binary")
Mode = Annotated[Literal["structured", "binary"], PlainValidator(one_of(_MODES)), choice_schema(_MODES)]


class WebhookSink:
    """Sends each delivery in a post of its own."""

    def __init__(self, options: WebhookOptions) -> None:
        from standardwebhooks.webhooks import Webhook

        self.name = options.name
        self.limits = Limits(parallel=PARALLEL, deadline=options.send_deadline)
        self._encode = binary_request if options.mode == "binary" else structured_request
        self._headers = {name: value.get_secret_value() for name, value in options.headers.items()}
        secrets = [secret.get_secret_value() for secret in (options.secret, *options.secrets) if secret is not None]
        self._signers = [Webhook(secret) for secret in secrets]
        bare = [secret.removeprefix(_PREFIX) for secret in secrets]
        self._poster = options.poster([*self._headers.values(), *secrets, *bare])

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        now = datetime.now(UTC)
        headers, body = self._encode(delivery)
        webhook = {"webhook-id": delivery.id, "webhook-timestamp": str(int(now.timestamp()))}
        if self._signers:
            text = body.decode()
            webhook["webhook-signature"] = " ".join(one.sign(delivery.id, now, text) for one in self._signers)
        verdict, answer = await self._poster.deliver(body, self._headers, headers, webhook)
        return [SendOutcome(delivery, verdict, answer)]

    async def close(self) -> None:
        await self._poster.close()


class WebhookOptions(HttpOptions):
    """CloudEvents by POST."""

    sink: ClassVar = WebhookSink

    type: Literal["webhook"]
    """The type of the sink."""
    url: Annotated[str, PlainValidator(_url), text_schema(HTTP_URL)] = Field(
        examples=["https://hooks.example.com/watcher"], repr=False
    )
    """The URL to post to."""
    secret: SigningSecret | None = Field(default=None, examples=["${WEBHOOK_SECRET}"])
    """Signs every post by the Standard Webhooks scheme. A secret: take it from a variable."""
    secrets: list[SigningSecret] = Field(default=[], examples=[["${NEW_SECRET}", "${OLD_SECRET}"]])
    """Further secrets that also sign every post, while you replace a secret."""
    mode: Mode = "structured"
    """structured: the whole event is the body; binary: its data is the body, and the rest is in headers."""
    headers: Annotated[dict[HeaderName, Secret], AfterValidator(distinct)] = Field(
        default={}, examples=[{"Authorization": "Bearer ${TOKEN}"}]
    )
    """Headers of every post. Secrets: take them from variables."""


def structured_request(delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
    """Return the headers, and as the body the whole CloudEvent."""
    return {"Content-Type": STRUCTURED}, delivery.body.encode()


def binary_request(delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
    """Return the CloudEvent's attributes as `ce-` headers, and as the body its data."""
    from cloudevents.core.bindings.http import to_binary_event
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    message = to_binary_event(JSONFormat().read(CloudEvent, delivery.body))
    return message.headers, message.body
