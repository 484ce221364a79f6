"""Reads URLs and addresses to listen at; see `readers`."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from watcher.aws.service_models import is_region
from watcher.config.readers import meant_as_text, printable, quoted
from watcher.core.state_url import SCHEME, parse_address

DEFAULT_LISTEN = "127.0.0.1:8080"
"""Where a daemon listens unless `http.listen` says otherwise."""

_AUTHORITY = re.compile(r"(.*@)?(\[[0-9A-Fa-f:.]+(%[^\[\]]+)?\]|[^\[\]%]+)(:[0-9]*)?")
"""A user, a host and a port (RFC 3986, section 3.2), without percent-escapes in the name: it could not be resolved."""


def http_url(value: object, *, example: str, secret: bool = False, user: bool = False) -> str:
    """Return the http(s) URL of a host, which messages do not repeat: it may have a password. `user`: allow a user."""
    text = printable(value, secret=secret)
    try:
        parts = urlsplit(text)
        named = bool(_AUTHORITY.fullmatch(parts.netloc)) and bool((parts.hostname or "").encode("idna"))
        sound = named and parts.scheme in {"http", "https"} and parts.port != 0 and " " not in text
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"this must be the URL of a host, such as {example}")
    if "@" in parts.netloc and not user:
        raise ValueError("this URL must not have a user name or a password in it")
    return text


def endpoint_url(value: object) -> str:
    """Return the URL of an API."""
    return http_url(value, example="https://proton.example.com or http://127.0.0.1:4566")


def state_url(value: object) -> str:
    """Return the URL of a state store."""
    text = printable(value)
    if text.startswith(SCHEME):
        region = parse_address(text).region
        if region is not None and not is_region(region):
            raise ValueError("`region` must be a valid region name (example: us-east-1)")
    elif text != "memory://" and not re.fullmatch(r"sqlite:///.*[^/]", text):
        raise ValueError(
            "this must be sqlite:///PATH (relative), sqlite:////PATH (absolute), dynamodb://TABLE or memory://"
        )
    return text


def split_listen(listen: str) -> tuple[str, int]:
    """Return the host and the port of `HOST:PORT` or `[IPv6]:PORT`.

    Raises:
        ValueError: `listen` has another form.
    """
    host, _, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ip_address(host[1:-1]))
    elif not re.fullmatch(r"[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?", host):
        raise ValueError("no host")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("no port")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def listen_address(value: object) -> str:
    """Return an address to listen at: `HOST:PORT` or `[IPv6]:PORT`."""
    text = meant_as_text(value)
    try:
        split_listen(text)
    except ValueError:
        examples = "127.0.0.1:8080, 0.0.0.0:8080, or in quotes '[::1]:8080'"
        raise ValueError(f"{quoted(text)} is not a valid HOST:PORT (examples: {examples})") from None
    return str(text)
