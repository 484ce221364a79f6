"""What sinks share that post to a URL: which addresses they may reach, and whom they trust."""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from socket import inet_aton
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo, field_validator

from watcher.addresses import refusal
from watcher.config.fields import Boolean, Duration, lasting, printable, quoted, text_schema
from watcher.config.sinks.base import Sink

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


class HttpSink(Sink):
    """A sink that posts to a URL."""

    allow_http: Boolean = False
    """Post without TLS as well: anybody on the way can read and change it."""
    allow_private: Boolean = False
    """Post also to this machine itself, and to link-local addresses such as the cloud's metadata service."""
    ca_file: CaFile | None = Field(default=None, examples=["/etc/ssl/certs/internal-ca.pem"])
    """A PEM file of the certificate authorities to trust, instead of the system's."""
    timeout: Duration = lasting("10s")
    """For one post, in all."""

    @field_validator("url", mode="after", check_fields=False)
    @classmethod
    def _may_be_reached(cls, url: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        parts = urlsplit(url.get_secret_value() if isinstance(url, SecretStr) else url)
        wrong = []
        if parts.scheme == "http" and info.data.get("allow_http") is False:
            wrong.append("anybody on the way can read http; use https, or say `allow_http: true`")
        if (why := _private(parts.hostname or "")) and info.data.get("allow_private") is False:
            wrong.append(f"this host {why}; use another, or say `allow_private: true`")
        if wrong:
            raise ValueError(", and ".join(wrong))
        return url


def _private(host: str) -> str | None:
    """Why a URL's host is one that may not be reached unless that is said, if the host alone tells."""
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return "is this machine"
    address = _address(name)
    return refusal(address) if address else None


def _address(host: str) -> str | None:
    """The IP address that `host` is, if it is one; also as resolvers take it (`127.1`, `0x7f000001`, `2130706433`)."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return str(IPv4Address(inet_aton(host)))
    except OSError:
        return None
