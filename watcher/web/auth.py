"""Whether a request is addressed to this daemon, and has its token. Pure.

The token is a bearer token or the password of basic authentication. The `Host` is checked since a web page can rebind
its own name to a loopback address (DNS rebinding): its requests then arrive here, but have that name as their `Host`.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Collection
from ipaddress import ip_address

from watcher.web.responses import error_response

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


def authorized(authorization: str | None, token: str | None) -> bool:
    """Whether a request with this `Authorization` has the token; every request, if the token is None."""
    return token is None or hmac.compare_digest(_token_in(authorization or ""), token.encode())


def _token_in(authorization: str) -> bytes:
    scheme, _, rest = authorization.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip().encode("utf-8", "surrogateescape")
        case "basic":
            try:
                return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return b""
    return b""
