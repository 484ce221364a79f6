"""What AWS's error codes mean: whether they concern the target or the endpoint, and whether to retry."""

from __future__ import annotations

import errno
import socket

import botocore.session
import pytest
from aiohttp import ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from botocore.exceptions import EndpointConnectionError

from watcher.aws.call_errors import call_failure
from watcher.aws.error_codes import (
    CLOCK_SKEW,
    NOT_OFFERED,
    SERVER,
    STALE_CREDENTIALS,
    TARGETS_OWN,
    THROTTLING,
    classify,
)
from watcher.errors import EndpointUnreadable, TargetUnreadable
from watcher.sources import KINDS

FLAGS = ("passing", "throttled", "stale_credentials", "not_offered")


@pytest.mark.parametrize(
    ("code", "status", "kind", "flags"),
    [
        ("ResourceNotFoundException", 400, TargetUnreadable, ""),
        ("ResourceNotFoundException", 404, TargetUnreadable, ""),
        ("ValidationException", 400, TargetUnreadable, ""),
        ("InvalidInputException", 400, TargetUnreadable, ""),
        # An HTML page where the service used to be says nothing of one target.
        ("404", 404, EndpointUnreadable, "not_offered"),
        ("410", 410, EndpointUnreadable, "not_offered"),
        ("403", 403, EndpointUnreadable, ""),
        ("UnknownOperationException", 404, EndpointUnreadable, "not_offered"),
        ("AccessDeniedException", 400, EndpointUnreadable, ""),
        ("AccessDeniedException", 403, EndpointUnreadable, ""),
        ("UnrecognizedClientException", 400, EndpointUnreadable, "passing stale_credentials"),
        ("InvalidClientTokenId", 403, EndpointUnreadable, "passing stale_credentials"),
        ("OptInRequired", 403, EndpointUnreadable, ""),
        ("ThrottlingException", 400, EndpointUnreadable, "passing throttled"),
        ("TooManyRequestsException", 429, EndpointUnreadable, "passing throttled"),
        ("429", 429, EndpointUnreadable, "passing throttled"),
        ("SomethingElse", 429, EndpointUnreadable, "passing throttled"),
        ("ProvisionedThroughputExceededException", 400, EndpointUnreadable, "passing throttled"),
        ("SlowDown", 503, EndpointUnreadable, "passing throttled"),
        ("ExpiredTokenException", 400, EndpointUnreadable, "passing stale_credentials"),
        ("ExpiredToken", 403, EndpointUnreadable, "passing stale_credentials"),
        ("RequestTimeTooSkewed", 403, EndpointUnreadable, "passing"),
        ("InvalidSignatureException", 400, EndpointUnreadable, "passing stale_credentials"),
        ("InternalServerException", 500, EndpointUnreadable, "passing"),
        ("InternalServerException", 400, EndpointUnreadable, "passing"),
        ("ServiceUnavailable", 503, EndpointUnreadable, "passing"),
        ("500", 500, EndpointUnreadable, "passing"),
        ("502", 502, EndpointUnreadable, "passing"),
        ("503", 503, EndpointUnreadable, "passing"),
        ("599", 599, EndpointUnreadable, "passing"),
        ("408", 408, EndpointUnreadable, "passing"),
        ("400", 400, EndpointUnreadable, ""),
        ("301", 301, EndpointUnreadable, ""),
        ("", 0, EndpointUnreadable, ""),
    ],
)
def test_an_error_is_judged_by_its_code_and_status(code: str, status: int, kind: type, flags: str) -> None:
    error = classify(code, "what AWS said", status)
    assert type(error) is kind
    assert " ".join(flag for flag in FLAGS if getattr(error, flag)) == flags
    assert (error.code, error.message) == (code, "what AWS said")


@pytest.mark.parametrize(
    ("code", "not_offered"), [(socket.EAI_NONAME, True), (socket.EAI_AGAIN, False), (errno.ECONNREFUSED, False)]
)
def test_an_api_whose_host_has_no_address_is_not_offered(code: int, *, not_offered: bool) -> None:
    address = ConnectionKey("proton", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)
    below = socket.gaierror(code, "x") if code != errno.ECONNREFUSED else ConnectionRefusedError(code, "x")
    connecting = ClientConnectorError(address, below)
    connecting.__cause__ = below
    failure = call_failure(EndpointConnectionError(endpoint_url="https://x", error=connecting), 1.0)
    assert (failure.code, failure.passing, failure.not_offered) == ("ConnectionFailed", True, not_offered)


def test_no_code_has_two_meanings() -> None:
    groups = (TARGETS_OWN, THROTTLING, STALE_CREDENTIALS, CLOCK_SKEW, SERVER, NOT_OFFERED)
    assert len(frozenset().union(*groups)) == sum(map(len, groups))


def test_every_error_of_the_services_own_models_is_foreseen() -> None:
    foreseen = {}
    session = botocore.session.get_session()
    for source in KINDS.values():
        model = session.get_service_model(source.api)
        operation = next(name for name in model.operation_names if name.lower() == source.operation.lower())
        for shape in model.operation_model(operation).error_shapes:
            error = classify(shape.name, "", 400)
            foreseen[shape.name] = (isinstance(error, TargetUnreadable), error.passing)
    assert foreseen == {
        "AccessDeniedException": (False, False),
        "InternalServerException": (False, True),
        "InvalidInputException": (True, False),
        "ResourceNotFoundException": (True, False),
        "ThrottlingException": (False, True),
        "ValidationException": (True, False),
    }


def test_a_message_keeps_no_secret() -> None:
    """A message about signatures repeats the whole request."""
    message = (
        "The request signature we calculated does not match the signature you provided.\n\n"
        "The Canonical String for this request should have been\n'POST\n/\n\nhost:proton.us-east-1.amazonaws.com\n"
        "x-amz-security-token:IQoJb3JpZ2luX2VjEXAMPLE\n\n..."
    )
    error = classify("InvalidSignatureException", message, 400)
    assert error.message == "The request signature we calculated does not match the signature you provided."
    other = classify("IncompleteSignature", message, 400)
    assert "IQoJ" not in str(other)


def test_a_wrong_signature_asks_for_other_credentials_unless_only_the_clock_is_off() -> None:
    for message, stale in [
        ("Signature expired: 20261123T080000Z is now earlier than 20261123T085500Z", False),
        ("Signature not yet current: 20261123T100000Z is still later than 20261123T090500Z", False),
        ("The request signature we calculated does not match the signature you provided.", True),
    ]:
        assert classify("InvalidSignatureException", message, 400).stale_credentials is stale
