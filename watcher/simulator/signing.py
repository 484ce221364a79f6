"""Signature Version 4 from the other side: who signed this request, for which region, and is it good?

Every request has to be signed, by now and for this service. The signature itself is verified where the secret is
known: for the scenario's own keys, and for those that the stand-in gave out itself. Errors are those of AWS's JSON
services.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from watcher.simulator.aws_json import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE = timedelta(minutes=5)
"""How far a signature's time may lie from the clock: AWS's own rule."""

STAMP = "%Y%m%dT%H%M%SZ"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\d{8})/([^/, ]+)/([^/, ]+)/aws4_request, *"
    r"SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request, and for which region."""

    access_key: str
    region: str


@dataclass(frozen=True, slots=True)
class Issued:
    """Credentials that the stand-in gave out, until the moment `expires` (seconds since 1970)."""

    access_key: str
    secret: str
    token: str
    expires: float


@dataclass(slots=True)
class Keyring:
    """The access keys whose secrets are known: `fixed` from the scenario, `issued` by AssumeRole."""

    fixed: Mapping[str, str]
    issued: dict[str, Issued] = field(default_factory=dict)

    def signer(self, service: str, request: Request, now: float) -> Signer:
        """Who signed the request for `service`; `now` in seconds since 1970.

        Raises:
            Refusal: the signature is missing, incomplete, out of date, for another service, or wrong; or the
                credentials are unknown or have expired.
        """
        signer, scope_date, signed_headers, signature = _parsed(request.headers.get("Authorization"), service)
        stamp = request.headers.get("X-Amz-Date", "")
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
            raise Refusal(
                "IncompleteSignatureException",
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            )
        if not stamp.startswith(scope_date):
            raise Refusal("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601")
        _demand_timely(stamp, now)
        secret = self._secret(signer.access_key, request.headers.get("X-Amz-Security-Token"), now)
        if secret and not hmac.compare_digest(signature, _signature(request, service, signer, secret, signed_headers)):
            raise Refusal(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method.",
            )
        return signer

    def _secret(self, access_key: str, token: str | None, now: float) -> str | None:
        issued = self.issued.get(access_key)
        if issued is None:
            return self.fixed.get(access_key)
        if token != issued.token:
            raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
        if now >= issued.expires:
            raise Refusal("ExpiredTokenException", "The security token included in the request is expired")
        return issued.secret


@dataclass(frozen=True, slots=True)
class Request:
    """What of an HTTP request is signed. `headers` find their names in any case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@lru_cache(maxsize=1024)
def _moment(stamp: str) -> float:
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()


def _parsed(header: str | None, service: str) -> tuple[Signer, str, str, str]:
    if not header:
        raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        missing = [part for part in ("Credential", "SignedHeaders", "Signature") if f"{part}=" not in header]
        said = " ".join(f"Authorization header requires '{part}' parameter." for part in missing)
        raise Refusal(
            "IncompleteSignatureException", said or "Authorization header is not of the form AWS4-HMAC-SHA256."
        )
    access_key, date, region, scope, signed_headers, signature = found.groups()
    if scope != service:
        raise Refusal("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    return Signer(access_key, region), date, signed_headers, signature


def _demand_timely(stamp: str, now: float) -> None:
    try:
        signed = _moment(stamp)
    except ValueError:
        raise Refusal("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.") from None
    minutes = TOLERANCE.total_seconds()
    here = datetime.fromtimestamp(now, UTC)
    if signed < now - minutes:
        limit = f"{here - TOLERANCE:{STAMP}} ({here:{STAMP}} - 5 min.)"
        raise Refusal("InvalidSignatureException", f"Signature expired: {stamp} is now earlier than {limit}")
    if signed > now + minutes:
        limit = f"{here + TOLERANCE:{STAMP}} ({here:{STAMP}} + 5 min.)"
        raise Refusal("InvalidSignatureException", f"Signature not yet current: {stamp} is still later than {limit}")


def _signature(request: Request, service: str, signer: Signer, secret: str, signed_headers: str) -> str:
    """The signature as botocore makes it of the same request."""
    headers = {name: request.headers.get(name, "") for name in signed_headers.split(";")}
    # Over plain HTTP a payload is always signed; the scheme is the only part of the URL that is not the client's.
    again = AWSRequest(request.method, "http://stand-in" + _path(request.url), headers, request.body)
    again.context["timestamp"] = request.headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(signer.access_key, secret), service, signer.region)
    made: str = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    return made


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
