"""Maps exceptions of botocore, aiobotocore and the network to `PollFailed`: those of calls, and of loading credentials.

An unforeseen one also fails the poll. Pure, except that it checks the files named by the AWS configuration.
"""

import contextlib
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
from botocore import exceptions as botocore_errors

from watcher.aws.error_codes import classify
from watcher.aws.profiles import ca_fault, config_faults, variable_naming
from watcher.aws.proxies import UNUSABLE
from watcher.errors import MALFORMED, EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.util.redaction import redacted_excerpt
from watcher.util.units import format_duration

CONNECTION = (botocore_errors.HTTPClientError, botocore_errors.ConnectionError, aiohttp.ClientError, OSError)
"""Errors of the connection to AWS, including those of the local system."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

NO_ADDRESS = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""The resolver's codes for a host without an address; for a failure that may pass it has others."""

LOADING_SECONDS = 30.0
"""Seconds that loading credentials may take."""

PROVIDERS = {
    "assume-role": "STS (AssumeRole)",
    "assume-role-with-web-identity": "STS (AssumeRoleWithWebIdentity)",
    "container-role": "the container's credentials server",
    "custom-process": "`credential_process`",
    "env": "the environment",
    "iam-role": "the instance's metadata service",
    "sso": "IAM Identity Center (SSO)",
}
"""Names in messages for botocore's credential providers that may take long."""


def response_failure(error: botocore_errors.ClientError) -> PollFailed:
    """The failure for an error response of AWS."""
    answered = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = str(answered.get("Message") or "")
    if status in REDIRECTS:
        headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
        message = redirect(status, headers, str(answered.get("Endpoint") or ""))
    return classify(str(answered.get("Code") or status), message, status)


def redirect(status: int, headers: Mapping[str, str], host: str = "") -> str:
    """The message for an answer that is a redirect, to `host` if that is not empty; no redirect is followed."""
    location, region = headers.get("location", ""), headers.get("x-amz-bucket-region")
    with contextlib.suppress(ValueError):
        host = host or urlsplit(location).hostname or ""
    where = f" to {host}" if host else ""
    return f"the answer is a redirect ({status}){where}{f'; the bucket is in {region}' if region else ''}"


def call_failure(error: Exception, timeout: float) -> PollFailed:
    """The failure for any exception of a call; `timeout` is the call's limit in seconds."""
    name, text = type(error).__name__, redacted_excerpt(str(error))
    match error:
        case PollFailed():
            return error
        case botocore_errors.ClientError():
            return response_failure(error)
        case TimeoutError() | botocore_errors.ConnectTimeoutError() | botocore_errors.ReadTimeoutError():
            return EndpointUnreadable("Timeout", f"no complete answer within {format_duration(timeout)}", passing=True)
        case botocore_errors.ParamValidationError():
            return TargetUnreadable("ParamValidationError", text)
        case botocore_errors.SSLError():
            return EndpointUnreadable("TLSFailed", text)
        case botocore_errors.HTTPClientError(kwargs={"error": botocore_errors.InvalidProxiesConfigError()}):
            return EndpointUnreadable("InvalidProxy", f"the proxy in HTTPS_PROXY or HTTP_PROXY {UNUSABLE}")
        case _ if isinstance(error, CONNECTION):
            return EndpointUnreadable("ConnectionFailed", text, passing=True, not_offered=_has_no_address(error))
        case botocore_errors.CredentialRetrievalError():
            return EndpointUnreadable("CredentialRetrievalError", text, passing=True)
        case botocore_errors.BotoCoreError():
            return EndpointUnreadable(name.removesuffix("Error"), text)
    return EndpointUnreadable(MALFORMED, f"the answer could not be read: {name}: {text}")


def _has_no_address(error: BaseException | None) -> bool:
    """Return whether a host has no address: AWS has none for an API that it does not offer in a region."""
    while error is not None and not isinstance(error, socket.gaierror):
        below = [getattr(error, "kwargs", {}).get("error")] if isinstance(error, botocore_errors.BotoCoreError) else []
        error = next((each for each in (*below, error.__cause__, error.__context__) if each is not None), None)
    return error is not None and error.errno in NO_ADDRESS


def no_credentials_in_time(seconds: float, asked: str) -> EndpointUnreadable:
    """The failure of a wait for credentials; `asked` is botocore's name for the last provider asked."""
    source = f" from {PROVIDERS.get(asked, asked)}" if asked else ""
    return EndpointUnreadable(
        "CredentialsTimeout", f"no credentials within {format_duration(seconds)}{source}", passing=True
    )


def credentials_failure(
    error: Exception, *, profile: str, asked: str, ca_bundle: str | None, environ: Mapping[str, str]
) -> EndpointUnreadable:
    """The failure for an exception raised while credentials were loaded or a client was opened.

    `asked` is botocore's name for the last provider asked (empty: none was), `ca_bundle` that of the profile.
    """
    name, text = type(error).__name__, redacted_excerpt(str(error))
    match error:
        case EndpointUnreadable():
            return error
        case TimeoutError():
            return no_credentials_in_time(LOADING_SECONDS, asked)
        case botocore_errors.ClientError():
            refused = response_failure(error)
            return EndpointUnreadable(
                refused.code, f"{error.operation_name}: {refused.message}", passing=refused.passing
            )
        case botocore_errors.SSOError() | botocore_errors.TokenRetrievalError():
            return _login("SSOLoginRequired", profile, "aws sso login", text)
        case botocore_errors.LoginRefreshRequired() | botocore_errors.LoginTokenLoadError():
            return _login("LoginRequired", profile, "aws login", text)
        case (
            botocore_errors.NoCredentialsError()
            | botocore_errors.ProfileNotFound()
            | botocore_errors.InvalidConfigError()
        ):
            return EndpointUnreadable(name.removesuffix("Error"), "; ".join([text, *config_faults(environ)]))
        case _ if isinstance(error, CONNECTION) and (fault := ca_fault(environ, ca_bundle)):
            return EndpointUnreadable("InvalidCABundle", fault)
        case OSError(filename=str(path)) if path:
            where = variable_naming(environ, path) or f"profile {profile!r}: "
            return EndpointUnreadable("CredentialRetrievalError", f"{where}{path}: {error.strerror}")
        case _ if isinstance(error, (*CONNECTION, botocore_errors.BotoCoreError)):
            known = call_failure(error, 0)
            return EndpointUnreadable(known.code, known.message, passing=known.passing)
    code, what = "InvalidConfig", "no client can be made"
    if asked:
        code, what = "CredentialRetrievalError", f"what {PROVIDERS.get(asked, asked)} returned could not be read"
    return EndpointUnreadable(code, f"profile {profile!r}: {what}: {name}: {text}")


def _login(code: str, profile: str, command: str, text: str) -> EndpointUnreadable:
    remedy = f"run `{command} --profile {profile}` as the user that watcher runs as"
    return EndpointUnreadable(code, f"profile {profile!r} asks for a login: {text.rstrip('.')}; {remedy}")
