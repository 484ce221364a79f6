"""Events by POST to a URL, signed by the Standard Webhooks scheme."""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, WithJsonSchema

from watcher.config.fields import HTTP_URL, Secret, http_url, meant_as_text, one_of, or_variable, text_schema
from watcher.config.headers import HEADER_NAME_SCHEMA, distinct, header_name
from watcher.config.sinks.http import HttpSink

_ENCODED = "whsec_"
"""What a secret of the Standard Webhooks scheme begins with, before its base64."""


def _webhook_url(value: object) -> str:
    return http_url(value, example="https://hooks.example.com/watcher")


def _signing_secret(value: object) -> SecretStr:
    """Any text, but that what says that it is base64 must be."""
    text = meant_as_text(value, secret=True)
    if not text:
        raise ValueError("this must not be empty")
    if text.startswith(_ENCODED) and not _is_base64(text.removeprefix(_ENCODED)):
        raise ValueError(
            f"after {_ENCODED} there must be base64, of a byte at least; "
            f"`echo {_ENCODED}$(openssl rand -base64 32)` makes a secret"
        )
    return SecretStr(str(text))


def _is_base64(text: str) -> bool:
    """Whether `text` is the base64 of something; it may lack its padding, as the scheme's libraries have it."""
    bare = text.rstrip("=")
    try:
        return bool(b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except ValueError:  # also binascii.Error, and letters beyond ASCII
        return False


SigningSecret = Annotated[SecretStr, PlainValidator(_signing_secret), text_schema(minLength=1)]
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
