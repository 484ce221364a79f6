"""What sinks share that post to a URL: which addresses they may reach, and whom they trust."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo, WithJsonSchema, field_validator

from watcher.config.fields import (
    Boolean,
    Duration,
    http_url,
    lasting,
    or_off,
    or_variable,
    printable,
    quoted,
    reads_off,
    text_schema,
)
from watcher.config.sinks.base import Sink
from watcher.config.tree import Reads, Text
from watcher.util.ip_addresses import host_refusal

_LARGEST_CA_FILE = 4 * 1024 * 1024


def _ca_file(value: object) -> str:
    path = Path(printable(value))
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= _LARGEST_CA_FILE):
            raise ValueError(f"{quoted(value)} is no file of certificates")
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cafile=path)
        found = trusted.cert_store_stats()["x509"]
    except ssl.SSLError:
        found = 0
    except OSError as error:
        raise ValueError(f"{quoted(value)} cannot be read: {error.strerror}") from None
    if not found:
        raise ValueError(f"{quoted(value)} has no certificate in it; it must be a PEM file with at least one")
    return str(path)


CaFile = Annotated[str, PlainValidator(_ca_file), text_schema(minLength=1)]


def _proxy(value: object) -> SecretStr | Literal[False]:
    if reads_off(value):
        return False
    example = "http://proxy.example.com:3128, or off"
    if isinstance(value, Text) and value.reads is Reads.BOOLEAN:
        raise ValueError(f"this must be the URL of a proxy, such as {example}")
    text = http_url(value, example=example, secret=True, user=True)
    parts = urlsplit(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"this must be the URL of a proxy without a path, such as {example}")
    return SecretStr(text)


Proxy = Annotated[
    SecretStr | Literal[False],
    PlainValidator(_proxy),
    WithJsonSchema(or_variable(or_off({"type": "string", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#]+/?$"}))),
]


class HttpSink(Sink):
    """A sink that posts to a URL."""

    allow_http: Boolean = False
    """Post without TLS as well: anybody on the way can read and change it."""
    allow_private: Boolean = False
    """Post also to this machine itself (at any of its addresses), to metadata services and to link-local addresses."""
    ca_file: CaFile | None = Field(default=None, examples=["/etc/ssl/certs/internal-ca.pem"])
    """A PEM file of the certificate authorities to trust, instead of the system's."""
    timeout: Duration = lasting("10s")
    """For one post, in all."""
    proxy: Proxy | None = Field(default=None, examples=["http://proxy.example.com:3128", "off"])
    """The proxy to post through; off: none; left out: the one that HTTPS_PROXY, HTTP_PROXY and NO_PROXY select."""

    @field_validator("url", mode="after", check_fields=False)
    @classmethod
    def _may_be_reached(cls, url: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        parts = urlsplit(url.get_secret_value() if isinstance(url, SecretStr) else url)
        wrong = []
        if parts.scheme == "http" and info.data.get("allow_http") is False:
            wrong.append("anybody on the way can read http; use https, or say `allow_http: true`")
        if (why := host_refusal(parts.hostname or "")) and info.data.get("allow_private") is False:
            wrong.append(f"this host {why}; use another, or say `allow_private: true`")
        if wrong:
            raise ValueError(", and ".join(wrong))
        return url
