"""Verifies Signature Version 4.

Every request must be signed for its service at the current time. The signature itself is verified if the secret is
known: for the scenario's keys and for temporary credentials. Errors are those of AWS's JSON services.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from watcher.simulator.aws_json import ApiError

TOLERANCE = timedelta(minutes=5)
"""The largest difference between a signature's time and the clock, as at AWS."""

STAMP = "%Y%m%dT%H%M%SZ"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\d{8})/([^/, ]+)/([^/, ]+)/aws4_request, *"
    r"SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Signer:
    """The access key and the region of a signature."""

    access_key: str
    region: str


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """Credentials from AssumeRole, valid until `expires` (seconds since 1970)."""

    access_key: str
    secret: str
    token: str
    expires: float


@dataclass(slots=True)
class Keyring:
    """The access keys with known secrets: `fixed` ones of the scenario, and those `issued` by AssumeRole."""

    fixed: Mapping[str, str]
    issued: dict[str, TemporaryCredentials] = field(default_factory=dict)

    def signer(self, service: str, request: Request, now: float) -> Signer:
        """The signer of a request for `service`; `now` in seconds since 1970.

        Raises:
            ApiError: the signature is missing, incomplete, out of date, for another service, or wrong; or the
                credentials are unknown or have expired.
        """
        signer, scope_date, signed_headers, signature = _parsed(request.headers.get("Authorization"), service)
        stamp = request.headers.get("X-Amz-Date", "")
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
            raise ApiError(
                "IncompleteSignatureException",
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            )
        if not stamp.startswith(scope_date):
            raise ApiError(
                "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601"
            )
        _check_time(stamp, now)
        secret = self._secret(signer.access_key, request.headers.get("X-Amz-Security-Token"), now)
        if secret and not hmac.compare_digest(signature, _signature(request, service, signer, secret, signed_headers)):
            raise ApiError(
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
            raise ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if now >= issued.expires:
            raise ApiError("ExpiredTokenException", "The security token included in the request is expired")
        return issued.secret


@dataclass(frozen=True, slots=True)
class Request:
    """The signed parts of an HTTP request. `headers` ignores the case of names."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@lru_cache(maxsize=1024)
def _seconds(stamp: str) -> float:
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()


def _parsed(header: str | None, service: str) -> tuple[Signer, str, str, str]:
    if not header:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        missing = [part for part in ("Credential", "SignedHeaders", "Signature") if f"{part}=" not in header]
        missing_parts = " ".join(f"Authorization header requires '{part}' parameter." for part in missing)
        raise ApiError(
            "IncompleteSignatureException", missing_parts or "Authorization header is not of the form AWS4-HMAC-SHA256."
        )
    access_key, date, region, scope, signed_headers, signature = found.groups()
    if scope != service:
        raise ApiError("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    return Signer(access_key, region), date, signed_headers, signature


def _check_time(stamp: str, now: float) -> None:
    try:
        signed = _seconds(stamp)
    except ValueError:
        raise ApiError("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.") from None
    tolerance = TOLERANCE.total_seconds()
    here = datetime.fromtimestamp(now, UTC)
    if signed < now - tolerance:
        limit = f"{here - TOLERANCE:{STAMP}} ({here:{STAMP}} - 5 min.)"
        raise ApiError("InvalidSignatureException", f"Signature expired: {stamp} is now earlier than {limit}")
    if signed > now + tolerance:
        limit = f"{here + TOLERANCE:{STAMP}} ({here:{STAMP}} + 5 min.)"
        raise ApiError("InvalidSignatureException", f"Signature not yet current: {stamp} is still later than {limit}")


def _signature(request: Request, service: str, signer: Signer, secret: str, signed_headers: str) -> str:
    """The signature as botocore makes it of the same request."""
    headers = {name: request.headers.get(name, "") for name in signed_headers.split(";")}
    # The client signs the payload of every request over plain HTTP, so this one is sent to an http URL, too.
    copy = AWSRequest(request.method, "http://simulator" + _path(request.url), headers, request.body)
    copy.context["timestamp"] = request.headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(signer.access_key, secret), service, signer.region)
    made: str = auth.signature(auth.string_to_sign(copy, auth.canonical_request(copy)), copy)
    return made


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
