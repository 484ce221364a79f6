"""How a receiver of HTTP requests may be reached, as a user writes it: for the sinks that post, and `heartbeat`."""

import ssl
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo, WithJsonSchema

from watcher.config.fields import Boolean, Duration, lasting, or_off, or_variable, text_schema
from watcher.config.readers import quoted, reads_off, single_line
from watcher.config.strict_model import StrictModel
from watcher.config.tree import Reads, Text
from watcher.config.url_readers import http_url
from watcher.util.ip_addresses import host_refusal


def _ca_file(value: object) -> str:
    path = Path(single_line(value))
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= 4 * 1024 * 1024):
            raise ValueError(f"{quoted(value)} is not a file of certificates")
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


Url = TypeVar("Url", str, SecretStr)
CaFile = Annotated[str, PlainValidator(_ca_file), text_schema(minLength=1)]


def _proxy(value: object) -> SecretStr | Literal[False]:
    if reads_off(value):
        return False
    example = "http://proxy.example.com:3128, or off"
    if isinstance(value, Text) and value.reads is Reads.BOOLEAN:
        raise ValueError(f"this must be the URL of a proxy, such as {example}")
    if str(value).lower().startswith("socks"):
        raise ValueError(f"SOCKS proxies are not supported; this must be the URL of an HTTP proxy, such as {example}")
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


class ReceiverModel(StrictModel):
    """How a receiver may be reached."""

    allow_http: Boolean = False
    """Also send without TLS, so that requests can be read and changed on the network."""
    allow_private: Boolean = False
    """Also send to this machine (at any of its addresses), to metadata services and to link-local addresses."""
    ca_file: CaFile | None = Field(default=None, examples=["/etc/ssl/certs/internal-ca.pem"])
    """A PEM file of the certificate authorities to trust, instead of the system's."""
    timeout: Duration = lasting("10s")
    """The time limit of one request."""
    proxy: Proxy | None = Field(default=None, examples=["http://proxy.example.com:3128", "off"])
    """The proxy to send through; off: none. Default: the one that HTTPS_PROXY, HTTP_PROXY and NO_PROXY select."""


def may_be_reached(url: Url, info: ValidationInfo) -> Url:
    """Validate that the other keys allow requests to `url`."""
    parts = urlsplit(plain_url(url))
    wrong = []
    if parts.scheme == "http" and info.data.get("allow_http") is False:
        wrong.append("http can be read on the network; use https, or set `allow_http: true`")
    if (why := host_refusal(parts.hostname or "")) and info.data.get("allow_private") is False:
        wrong.append(f"this host {why}; use another, or set `allow_private: true`")
    if wrong:
        raise ValueError(", and ".join(wrong))
    return url


def plain_url(url: str | SecretStr) -> str:
    """Return the text of a URL, which may be a secret."""
    return url.get_secret_value() if isinstance(url, SecretStr) else url
