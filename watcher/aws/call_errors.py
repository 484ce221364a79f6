"""What an exception of botocore, aiobotocore or the network means for a poll. An unforeseen one fails it, too."""

from __future__ import annotations

import aiohttp
from botocore import exceptions as botocore_errors

from watcher.config.duration import format_duration
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.failure import classify
from watcher.redact import excerpt

CONNECTION = (botocore_errors.HTTPClientError, botocore_errors.ConnectionError, aiohttp.ClientError, OSError)
"""Errors on the way to AWS, those of the local system included."""


def refusal(error: botocore_errors.ClientError) -> PollFailed:
    """What an error that AWS answered means."""
    told = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return classify(str(told.get("Code") or status), str(told.get("Message") or ""), status)


def call_failure(error: Exception, timeout: float) -> PollFailed:
    """What any error of a call with a limit of `timeout` seconds means."""
    name, text = type(error).__name__, excerpt(str(error))
    match error:
        case PollFailed():
            return error
        case botocore_errors.ClientError():
            return refusal(error)
        case TimeoutError() | botocore_errors.ConnectTimeoutError() | botocore_errors.ReadTimeoutError():
            return EndpointUnreadable("Timeout", f"no whole answer within {format_duration(timeout)}", passing=True)
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
    return EndpointUnreadable("MalformedAnswer", f"the answer could not be read: {name}: {text}")
