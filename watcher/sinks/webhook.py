"""`webhook`: a POST for each event, signed by the Standard Webhooks scheme.

The body is the CloudEvent (CloudEvents HTTP binding), or what a template makes of it.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo, model_validator

from watcher.config.fields import HEADER_NAME_SCHEMA, HTTP_URL, Headers, choice_schema, text_schema
from watcher.config.readers import meant_as_text, one_of, quoted, single_line
from watcher.config.url_readers import header_name, http_url
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.sinks.http import HttpOptions, PostingSink
from watcher.sinks.text import sound_template
from watcher.util.threads import off_loop

if TYPE_CHECKING:
    from watcher.messages.template import Template

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

_WORD = r"[A-Za-z0-9!#$&^_.+-]+"
_MEDIA_TYPE = rf"^({_WORD})/({_WORD})( *; *{_WORD}=({_WORD}|\"[^\"\\]*\"))*$"


def _media_type(value: object) -> str:
    text = single_line(value)
    if not re.fullmatch(_MEDIA_TYPE, text):
        raise ValueError(f"{quoted(value)} is not a media type; examples: application/json, text/plain; charset=utf-8")
    charset = re.search(r"(?i); *charset=\"?([^\";]*)", text)
    if charset and charset[1].lower() != "utf-8":
        raise ValueError("the body is sent as utf-8; write charset=utf-8")
    return text


def _body_template(value: object, info: ValidationInfo) -> str:
    return sound_template(value, info, _form(info.data.get("content_type", "text/plain")))


def _form(content_type: str) -> str:
    """Return the form of a body of this type, one of `messages.sanitize.BODY_ESCAPES`."""
    kind, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    if subtype == "json" or subtype.endswith("+json"):
        return "json"
    if (kind == "text" and subtype == "html") or subtype == "xml" or subtype.endswith("+xml"):
        return "markup"
    return "form" if subtype == "x-www-form-urlencoded" else "plain"


class WebhookSink(PostingSink):
    """Sends each delivery in a post of its own."""

    def __init__(self, options: WebhookOptions) -> None:
        from standardwebhooks.webhooks import Webhook

        self.name = options.name
        self.limits = Limits(parallel=PARALLEL, deadline=options.send_deadline)
        self._encode = binary_request if options.mode == "binary" else structured_request
        self._content_type, self._template = options.content_type, options.compiled()
        self._headers = {name: value.get_secret_value() for name, value in options.headers.items()}
        secrets = [secret.get_secret_value() for secret in (options.secret, *options.secrets) if secret is not None]
        self._signers = [Webhook(secret) for secret in secrets]
        bare = [secret.removeprefix(_PREFIX) for secret in secrets]
        self._poster = options.poster([*self._headers.values(), *secrets, *bare])

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        now = datetime.now(UTC)
        if self._template is None:
            headers, body = self._encode(delivery)
        else:
            template, event = self._template, json.loads(delivery.body)
            made, why = await off_loop(lambda: rendered(template, event, now), "template")
            if made is None:
                return [SendOutcome(delivery, Verdict.NEVER, f"nothing was sent: {why}")]
            headers, body = {"Content-Type": self._content_type}, made.encode()
        webhook = {"webhook-id": delivery.id, "webhook-timestamp": str(int(now.timestamp()))}
        if self._signers:
            text = body.decode()
            webhook["webhook-signature"] = " ".join(one.sign(delivery.id, now, text) for one in self._signers)
        verdict, answer = await self._poster.deliver(body, self._headers, headers, webhook)
        return [SendOutcome(delivery, verdict, answer)]


class WebhookOptions(HttpOptions):
    """A POST for each event."""

    sink: ClassVar = WebhookSink

    type: Literal["webhook"]
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
    content_type: Annotated[str, PlainValidator(_media_type), text_schema(_MEDIA_TYPE)] = "application/json"
    """The type of the body that the template makes; of JSON, XML, HTML and forms, values are escaped for it."""
    template: Annotated[str, PlainValidator(_body_template), text_schema(minLength=1)] | None = Field(
        default=None, examples=['{"text": "{{ message.title }}"}']
    )
    """Makes the body (jinja2), for receivers with a form of their own. Default: the CloudEvent."""
    headers: Headers[HeaderName] = Field(default={}, examples=[{"Authorization": "Bearer ${TOKEN}"}])
    """Headers of every post. Secrets: take them from variables."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.template is None and "content_type" in self.model_fields_set:
            raise ValueError("`content_type` is the type of the body that a `template` makes; add one, or remove it")
        if self.template is not None and "mode" in self.model_fields_set:
            raise ValueError("`mode` is for events as they are, `template` replaces them; remove one of the two")
        return self

    def compiled(self) -> Template | None:
        from watcher.messages.template import Template

        return None if self.template is None else Template(self.template, escape=_form(self.content_type))

    def preview(self, event: Mapping[str, Any]) -> str:
        """Return the body that the template makes; empty if there is no template, or it fails."""
        template = self.compiled()
        return (rendered(template, event, datetime.now(UTC))[0] or "") if template else ""


def rendered(template: Template, event: Mapping[str, Any], now: datetime) -> tuple[str | None, str]:
    """Return the body that a template makes of an event, else None and why there is none. Call it in a thread."""
    from watcher.messages.compose import message_for
    from watcher.messages.template import BadTemplateError

    try:
        return template.render([event], message_for([event], now)), ""
    except BadTemplateError as error:
        return None, f"the sink's template failed: {error}"


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
