"""Who may look: the token, as a bearer token or as the password of basic authentication. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac

CHALLENGES = ('Bearer realm="watcher"', 'Basic realm="watcher", charset="UTF-8"')
"""What is offered to who came without: RFC 6750 and RFC 7617."""


def may(authorization: str | None, token: str | None) -> bool:
    """Whether a request with this `Authorization` may look; where there is no token, everybody may."""
    if token is None:
        return True
    return hmac.compare_digest(_presented(authorization or ""), token.encode())


def _presented(authorization: str) -> bytes:
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
