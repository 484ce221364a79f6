"""Events by POST to a URL, signed by the Standard Webhooks scheme."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, WithJsonSchema

from watcher.config.fields import HTTP_URL, Secret, http_url, meant_as_text, one_of, or_variable, text_schema
from watcher.config.headers import HEADER_NAME_SCHEMA, distinct, header_name
from watcher.config.sinks.http import HttpSink

_PREFIX = "whsec_"
"""The optional prefix of a secret of the Standard Webhooks scheme; base64 follows."""

_SECRET = rf"^({_PREFIX})?[A-Za-z0-9+/]{{32,86}}={{0,2}}$"


def _webhook_url(value: object) -> str:
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
Mode = Literal["structured", "binary"]
_MODES = ("structured", "binary")


class WebhookSink(HttpSink):
    """Events by POST, as CloudEvents."""

    type: Literal["webhook"]
    """What the sink is."""
    url: Annotated[str, PlainValidator(_webhook_url), text_schema(HTTP_URL)] = Field(
        examples=["https://hooks.example.com/watcher"], repr=False
    )
    """Where to post."""
    secret: SigningSecret | None = Field(default=None, examples=["${WEBHOOK_SECRET}"])
    """Signs every post by the Standard Webhooks scheme. A secret: take it from a variable."""
    secrets: list[SigningSecret] = Field(default=[], examples=[["${NEW_SECRET}", "${OLD_SECRET}"]])
    """Several that all sign, while one takes the other's place."""
    mode: Annotated[Mode, PlainValidator(one_of(_MODES)), WithJsonSchema(or_variable({"enum": list(_MODES)}))] = (
        "structured"
    )
    """The whole event as the body, or (binary) its data as the body and the rest in headers."""
    headers: Annotated[dict[HeaderName, Secret], AfterValidator(distinct)] = Field(
        default={}, examples=[{"Authorization": "Bearer ${TOKEN}"}]
    )
    """Sent with every post. Secrets: take them from variables."""
