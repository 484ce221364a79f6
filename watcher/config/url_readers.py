"""Reads URLs, and the names of the headers that a user adds to requests; see `readers`."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from watcher.aws.service_models import is_region
from watcher.config.readers import single_line
from watcher.core.state_url import SCHEME, parse_address
from watcher.util.bounded_text import shown

MAX_PAGE_URL = 200
"""The most characters of the URL of the status page."""

HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_OWNED_HEADERS = ("content-type", "content-length", "host", "transfer-encoding", "connection")

QUEUE = r"^https?://[^/?#@ ]+/[0-9]+/(?=[^/]{1,80}$)[_0-9A-Za-z-]+(\.fifo)?$"
"""The URL of an SQS queue, in the dialect that Python and JSON Schema share."""
_QUEUE_HOST = re.compile(r"sqs(?:-fips)?\.([a-z0-9-]+)\..+")
"""The host in any partition: sqs.us-east-1.amazonaws.com, sqs.cn-north-1.amazonaws.com.cn, sqs.us-east-1.api.aws."""

Headers = TypeVar("Headers", bound=Mapping[str, object])

_AUTHORITY = re.compile(r"(.*@)?(\[[0-9A-Fa-f:.]+(%[^\[\]]+)?\]|[^\[\]%]+)(:[0-9]*)?")
"""A user, a host and a port (RFC 3986, section 3.2), without percent-escapes in the name: it could not be resolved."""


def http_url(value: object, *, example: str, secret: bool = False, user: bool = False) -> str:
    """Return the http(s) URL of a host, which messages do not repeat: it may have a password. `user`: allow a user."""
    text = single_line(value, secret=secret)
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


def secret_url(example: str) -> Callable[[object], SecretStr]:
    """Return a reader of a URL that is a secret, as a webhook's often is."""
    return lambda value: SecretStr(http_url(value, example=example, secret=True))


def endpoint_url(value: object) -> str:
    """Return the URL of an API."""
    return http_url(value, example="https://proton.example.com or http://127.0.0.1:4566")


def page_url(value: object) -> str:
    """Return the URL under which people reach the status page."""
    text = http_url(value, example="https://watcher.example.com")
    if "?" in text or "#" in text or len(text) > MAX_PAGE_URL:
        raise ValueError(f"this must be a URL without ? and #, of at most {MAX_PAGE_URL} characters")
    return text


def queue_region(url: str) -> str | None:
    """Return the region in the host of a queue's URL, if the host is AWS's own."""
    host = _QUEUE_HOST.fullmatch(urlsplit(url).hostname or "")
    return host[1] if host and is_region(host[1]) else None


def state_url(value: object) -> str:
    """Return the URL of a state store."""
    text = single_line(value)
    if text.startswith(SCHEME):
        region = parse_address(text).region
        if region is not None and not is_region(region):
            raise ValueError("`region` must be a valid region name (example: us-east-1)")
    elif text != "memory://" and not re.fullmatch(r"sqlite:///.*[^/]", text):
        raise ValueError(
            "this must be sqlite:///PATH (relative), sqlite:////PATH (absolute), dynamodb://TABLE or memory://"
        )
    return text


def header_name(sender: str, *also: str) -> Callable[[object], str]:
    """Return a reader of a header's name; `sender` and `also` (prefixes in lower case) name what is set elsewhere."""

    def read(value: object) -> str:
        name = str(value)
        if not re.fullmatch(HEADER_NAME, name):
            raise ValueError(f"{shown(name)} is not a valid header name; use letters, digits and !#$%&'*+.^_`|~-")
        if name.lower() in _OWNED_HEADERS or name.lower().startswith(also):
            raise ValueError(f"the header {shown(name)} is set by {sender} itself; remove it")
        return name

    return read


def distinct(headers: Headers) -> Headers:
    """Return the headers, no two of which may have names that differ only in case."""
    first: dict[str, str] = {}
    for name in headers:
        if (other := first.setdefault(name.lower(), name)) != name:
            raise ValueError(f"the headers {shown(other)} and {shown(name)} are the same; remove one")
    return headers
