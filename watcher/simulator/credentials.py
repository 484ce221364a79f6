"""Access keys: verifies Signature Version 4, and issues temporary credentials as STS AssumeRole does.

Every request must be signed for its service at the current time. The signature itself is verified if the secret is
known: for the scenario's keys and for temporary credentials. STS speaks the Query protocol: a form as request, XML as
response. Errors have the codes of AWS's JSON services; `sts_error` translates them.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from watcher.simulator.aws_json import ApiError
from watcher.simulator.faults import Reply
from watcher.simulator.inventory import ACCOUNT
from watcher.simulator.scenario import Role

if TYPE_CHECKING:
    from aiohttp import web

TOLERANCE = timedelta(minutes=5)
"""The largest difference between a signature's time and the clock, as at AWS."""

STAMP = "%Y%m%dT%H%M%SZ"

XML = "text/xml"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"

QUERY_CODES = {
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ValidationException": "ValidationError",
    "UnknownOperationException": "InvalidAction",
}
"""Error codes of the Query protocol, by those of the JSON services; the others only lose the suffix `Exception`."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\d{8})/([^/, ]+)/([^/, ]+)/aws4_request, *"
    r"SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})"
)


class Signature(NamedTuple):
    """The parts of an `Authorization` header."""

    access_key: str
    date: str
    region: str
    service: str
    headers: str
    value: str


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """Credentials of a role of `account` from AssumeRole, valid until `expires` (seconds since 1970)."""

    access_key: str
    secret: str
    token: str
    expires: float
    account: str


@dataclass(slots=True)
class Keyring:
    """The access keys with known secrets: `fixed` ones of the scenario, and those `issued` by AssumeRole.

    `accounts` maps access keys to the numbers of their accounts.
    """

    fixed: Mapping[str, str]
    accounts: Mapping[str, str]
    issued: dict[str, TemporaryCredentials] = field(default_factory=dict)

    def verified(self, service: str, request: web.BaseRequest, body: bytes, now: float) -> Signature:
        """The signature of a request for `service`; `now` in seconds since 1970.

        Raises:
            ApiError: the signature is missing, incomplete, out of date, for another service, or wrong; or the
                credentials are unknown or have expired.
        """
        signature = _parsed(request.headers.get("Authorization"), service)
        stamp = request.headers.get("X-Amz-Date", "")
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
            raise ApiError(
                "IncompleteSignatureException",
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            )
        if not stamp.startswith(signature.date):
            raise ApiError(
                "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601"
            )
        _check_time(stamp, now)
        secret = self._secret(signature.access_key, request.headers.get("X-Amz-Security-Token"), now)
        if secret and not hmac.compare_digest(signature.value, _expected(signature, secret, request, body)):
            raise ApiError(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method.",
            )
        return signature

    def account_of(self, access_key: str) -> str:
        """The number of the account that an access key belongs to."""
        issued = self.issued.get(access_key)
        return issued.account if issued else self.accounts.get(access_key, ACCOUNT)

    def _secret(self, access_key: str, token: str | None, now: float) -> str | None:
        issued = self.issued.get(access_key)
        if issued is None:
            return self.fixed.get(access_key)
        if token != issued.token:
            raise ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if now >= issued.expires:
            raise ApiError("ExpiredTokenException", "The security token included in the request is expired")
        return issued.secret


def assume_role(form: bytes, roles: Sequence[Role], keyring: Keyring, now: float) -> Reply:
    """Temporary credentials for a role, which are added to `keyring`. `now` in seconds since 1970.

    Raises:
        ApiError: the action is another one, a parameter is wrong, or the role cannot be assumed.
    """
    parameters = {name: values[0] for name, values in parse_qs(form.decode("utf-8", "replace")).items()}
    if parameters.get("Action") != "AssumeRole":
        raise ApiError("UnknownOperationException", "The simulated STS answers AssumeRole only.")
    arn, session = _validated(parameters)
    role = _role(arn, parameters.get("ExternalId"), roles)
    account, name = arn.split(":")[4], arn.rsplit("/", 1)[-1]
    issued = TemporaryCredentials(
        f"ASIA{secrets.token_hex(8).upper()}",
        secrets.token_hex(20),
        secrets.token_hex(64),
        now + role.lifetime,
        account,
    )
    keyring.issued[issued.access_key] = issued
    expiration = datetime.fromtimestamp(issued.expires, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = (
        f'<AssumeRoleResponse xmlns="{NAMESPACE}"><AssumeRoleResult><AssumedRoleUser>'
        f"<AssumedRoleId>AROASIMULATED:{escape(session)}</AssumedRoleId>"
        f"<Arn>arn:aws:sts::{account}:assumed-role/{escape(name)}/{escape(session)}</Arn></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{issued.access_key}</AccessKeyId><SecretAccessKey>{issued.secret}</SecretAccessKey>"
        f"<SessionToken>{issued.token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
        f"</AssumeRoleResult><ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
    return Reply("AssumeRole", body.encode(), content_type=XML)


def sts_error(error: ApiError) -> Reply:
    """An error as STS sends it."""
    code = QUERY_CODES.get(error.code, error.code.removesuffix("Exception"))
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{uuid4()}</RequestId></ErrorResponse>"
    )
    return Reply(code, body.encode(), 400 if code in {"ValidationError", "InvalidAction"} else 403, XML)


@lru_cache(maxsize=1024)
def _seconds(stamp: str) -> float:
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()


def _parsed(header: str | None, service: str) -> Signature:
    if not header:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        missing = [part for part in ("Credential", "SignedHeaders", "Signature") if f"{part}=" not in header]
        missing_parts = " ".join(f"Authorization header requires '{part}' parameter." for part in missing)
        raise ApiError(
            "IncompleteSignatureException", missing_parts or "Authorization header is not of the form AWS4-HMAC-SHA256."
        )
    signature = Signature(*found.groups())
    if signature.service != service:
        raise ApiError("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    return signature


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


def _expected(signature: Signature, secret: str, request: web.BaseRequest, body: bytes) -> str:
    """The value of the signature that botocore makes of the same request."""
    headers = {name: request.headers.get(name, "") for name in signature.headers.split(";")}
    # The client signs the payload of every request over plain HTTP, so this one is sent to an http URL, too.
    copy = AWSRequest(request.method, "http://simulator" + request.path_qs, headers, body)
    copy.context["timestamp"] = request.headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(signature.access_key, secret), signature.service, signature.region)
    made: str = auth.signature(auth.string_to_sign(copy, auth.canonical_request(copy)), copy)
    return made


def _validated(parameters: Mapping[str, str]) -> tuple[str, str]:
    arn, session = parameters.get("RoleArn", ""), parameters.get("RoleSessionName", "")
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", arn):
        raise ApiError("ValidationException", f"{arn or 'null'} at 'roleArn' is not a valid role ARN")
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", session):
        raise ApiError(
            "ValidationException",
            f"1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\w+=,.@-]*",
        )
    return arn, session


def _role(arn: str, external_id: str | None, roles: Sequence[Role]) -> Role:
    role = next((role for role in roles if role.arn == arn), None) if roles else Role(arn)
    if role is None or role.external_id not in (None, external_id):
        raise ApiError("AccessDeniedException", f"User is not authorized to perform: sts:AssumeRole on resource: {arn}")
    return role
