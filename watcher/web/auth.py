"""Whether a request is addressed to this daemon, and has its token. Pure.

The token is a bearer token or the password of basic authentication. The `Host` is checked since a web page can rebind
its own name to a loopback address (DNS rebinding): its requests then arrive here, but have that name as their `Host`.
"""

import base64
import hmac
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from watcher.web.responses import error_response


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that requests must have."""

    read: str | None = None
    """For all requests but those about health; None: no token is needed."""
    write: str | None = None
    """For requests that change something, and enough for all others; None: nothing can be changed."""


CHALLENGES = ('Bearer realm="watcher"', 'Basic realm="watcher", charset="UTF-8"')
"""The challenges of a response with status 401: RFC 6750 and RFC 7617."""

LOCALHOST = frozenset({"localhost", "127.0.0.1", "::1"})
"""The name and its addresses (RFC 6761): clients of a tunnel or of a published port use any of them."""

WRONG_HOST = error_response(
    421,
    "this daemon does not serve this Host: use localhost, its address, or the host in `http.listen` or "
    "`http.public_url`; a proxy must send one of these as Host",
)
_PORT = re.compile(r":[0-9]*$")


def addressed_here(host: str, local: str, names: Collection[str]) -> bool:
    """Whether `host` is `local`, localhost, or one of `names`; the port is ignored: behind a tunnel it differs.

    Args:
        host: as in RFC 9110, section 7.2, with or without a port; an IPv6 address may lack its brackets.
        local: the address that the request arrived at, with or without a zone (`fe80::1%eth0`).
        names: further names of the daemon, in lower case.
    """
    if host.count(":") == 1 or "]" in host:
        host = _PORT.sub("", host)
    name = host.removeprefix("[").removesuffix("]").removesuffix(".").lower()
    return name in LOCALHOST or name in names or _address(name) == _address(local.partition("%")[0])


def _address(text: str) -> object:
    try:
        return ip_address(text)
    except ValueError:
        return text


def authorized(authorization: str | None, tokens: Tokens) -> bool:
    """Whether a request with this `Authorization` may read: it has either token, or none is needed."""
    _, given = _credentials(authorization)
    return tokens.read is None or any(_equal(given, token) for token in (tokens.read, tokens.write))


def may_write(authorization: str | None, tokens: Tokens) -> bool:
    """Whether a request with this `Authorization` may change something.

    Only a bearer token counts: a browser repeats basic authentication by itself, also for what another site makes it
    request.
    """
    scheme, given = _credentials(authorization)
    return scheme == "bearer" and _equal(given, tokens.write)


def of_another_site(origin: str | None, fetch_site: str | None, local: str, names: Collection[str]) -> bool:
    """Whether a browser says that a page of another site makes this request (`Origin`, `Sec-Fetch-Site`)."""
    if fetch_site is not None and fetch_site not in {"same-origin", "none"}:
        return True
    if origin is None:
        return False
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return True
    return host is None or not addressed_here(f"[{host}]" if ":" in host else host, local, names)


def _equal(given: bytes, token: str | None) -> bool:
    return token is not None and hmac.compare_digest(given, token.encode())


def _credentials(authorization: str | None) -> tuple[str, bytes]:
    """The scheme, and the token; empty if there is none."""
    scheme, _, rest = (authorization or "").strip().partition(" ")
    token = b""
    match scheme.lower():
        case "bearer":
            token = rest.strip().encode("utf-8", "surrogateescape")
        case "basic":
            with suppress(ValueError):
                token = base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
    return scheme.lower(), token
