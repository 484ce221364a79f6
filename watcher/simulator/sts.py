"""STS AssumeRole over the Query protocol: a form as request, XML as response."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from watcher.simulator.aws_json import ApiError
from watcher.simulator.faults import Reply
from watcher.simulator.scenario import Role
from watcher.simulator.signing import Keyring, TemporaryCredentials

XML = "text/xml"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"

QUERY_CODES = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
    "ValidationException": "ValidationError",
    "AccessDeniedException": "AccessDenied",
    "UnknownOperationException": "InvalidAction",
}
"""Error codes of the Query protocol, by those of the JSON services."""


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
    issued = TemporaryCredentials(
        f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(64), now + role.lifetime
    )
    keyring.issued[issued.access_key] = issued
    account, name = arn.split(":")[4], arn.rsplit("/", 1)[-1]
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


def error_reply(error: ApiError) -> Reply:
    """An error as STS sends it."""
    code = QUERY_CODES.get(error.code, error.code)
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{uuid4()}</RequestId></ErrorResponse>"
    )
    return Reply(code, body.encode(), 400 if code in {"ValidationError", "InvalidAction"} else 403, XML)


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
