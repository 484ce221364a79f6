"""Maps exceptions of botocore, aiobotocore and the network to `PollFailed`; an unforeseen one also fails the poll."""

from __future__ import annotations

import aiohttp
from botocore import exceptions as botocore_errors

from watcher.aws.error_codes import classify
from watcher.errors import MALFORMED, EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.util.duration import format_duration
from watcher.util.redaction import excerpt

CONNECTION = (botocore_errors.HTTPClientError, botocore_errors.ConnectionError, aiohttp.ClientError, OSError)
"""Errors of the connection to AWS, including those of the local system."""


def refusal(error: botocore_errors.ClientError) -> PollFailed:
    """The failure for an error response of AWS."""
    answered = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return classify(str(answered.get("Code") or status), str(answered.get("Message") or ""), status)


def call_failure(error: Exception, timeout: float) -> PollFailed:
    """The failure for any exception of a call; `timeout` is the call's limit in seconds."""
    name, text = type(error).__name__, excerpt(str(error))
    match error:
        case PollFailed():
            return error
        case botocore_errors.ClientError():
            return refusal(error)
        case TimeoutError() | botocore_errors.ConnectTimeoutError() | botocore_errors.ReadTimeoutError():
            return EndpointUnreadable("Timeout", f"no complete answer within {format_duration(timeout)}", passing=True)
        case botocore_errors.ParamValidationError():
            return TargetUnreadable("ParamValidationError", text)
        case botocore_errors.SSLError():
            return EndpointUnreadable("TLSFailed", text)
        case _ if isinstance(error, CONNECTION):
            return EndpointUnreadable("ConnectionFailed", text, passing=True)
        case botocore_errors.CredentialRetrievalError():
            return EndpointUnreadable("CredentialRetrievalError", text, passing=True)
        case botocore_errors.BotoCoreError():
            return EndpointUnreadable(name.removesuffix("Error"), text)
    return EndpointUnreadable(MALFORMED, f"the answer could not be read: {name}: {text}")
