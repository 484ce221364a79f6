"""Signs requests by AWS Signature Version 4 in the `Authorization` header. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple

ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(NamedTuple):
    """Credentials; `token` is None for those of an IAM user."""

    access_key: str
    secret_key: str
    token: str | None


class Scope(NamedTuple):
    """What signing keys are for, besides a day."""

    region: str
    service: str


class Signer:
    """Signs for one service in a region. It keeps the last signing key, which is valid for a day and a secret key."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._made_from = ("", "")
        self._key = hmac.new(b"", digestmod="sha256")
        """The HMAC with the signing key; to copy it takes half the time of making another one."""

    def authorization(self, keys: Keys, moment: str, signed_headers: Mapping[str, str], request: str) -> str:
        """Return the value of `Authorization` for a canonical request.

        `moment`: the request's `X-Amz-Date`, as in 20261123T080000Z; `signed_headers`: the headers in the canonical
        request, by their names in lower case and in order.
        """
        day, (region, service) = moment[:8], self.scope
        scope = f"{day}/{region}/{service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = self._signing_key(keys.secret_key, day).copy()
        signature.update(to_sign.encode())
        return (
            f"{ALGORITHM} Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={';'.join(signed_headers)}, Signature={signature.hexdigest()}"
        )

    def _signing_key(self, secret_key: str, day: str) -> hmac.HMAC:
        if self._made_from != (secret_key, day):
            key = f"AWS4{secret_key}".encode()
            for part in (day, *self.scope, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._made_from = hmac.new(key, digestmod="sha256"), (secret_key, day)
        return self._key


def canonical_request(method: str, path: str, signed_headers: Mapping[str, str], body: bytes) -> str:
    """Return the canonical form of a request without a query.

    `path`: normalized and encoded; `signed_headers`: by their names in lower case, in order of the names.
    """
    headers = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in signed_headers.items()])
    names = ";".join(signed_headers)
    return f"{method}\n{path}\n\n{headers}\n{names}\n{hashlib.sha256(body).hexdigest()}"
