"""What an AWS error code means: whether it concerns the target or the endpoint, and whether to retry. Pure.

The codes are those of Proton's and CodeConnections' models, AWS's common errors
(https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html), and the HTTP status as text, which
botocore uses for a body without a code.
"""

import re

from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.util.redaction import redacted_excerpt

TARGETS_OWN = frozenset(
    {
        "ResourceNotFoundException",
        "ValidationException",
        "InvalidInputException",
        "ValidationError",
        "ParamValidationError",
    }
)
THROTTLING = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "BandwidthLimitExceeded",
        "SlowDown",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",  # DynamoDB's, of a table
        "429",
    }
)
STALE_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "TokenRefreshRequired",
        # a deleted key or a changed secret: their source may have newer ones
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
    }
)
CLOCK_SKEW = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
SKEWED = re.compile(r"(?i)signature (expired|not yet current)")
"""How AWS words clock skew under the code of any wrong signature."""
NOT_OFFERED = frozenset({"UnknownOperationException", "InvalidAction", "SubscriptionRequiredException", "404", "410"})
"""Of an API that AWS does not offer in a region, or not any more; 404 and 410 are answers without a code."""
SERVER = frozenset(
    {
        "InternalServerException",
        "InternalServerError",
        "InternalFailure",
        "InternalError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
        "TransientError",
    }
)


def classify(code: str, message: str, status: int) -> PollFailed:
    """The failure for AWS's error `code` in a response with an HTTP `status`."""
    message = redacted_excerpt(message)
    if code in TARGETS_OWN:
        return TargetUnreadable(code, message)
    if code in THROTTLING or status == 429:
        return EndpointUnreadable(code, message, passing=True, throttled=True)
    if code in STALE_CREDENTIALS:
        return EndpointUnreadable(code, message, passing=True, stale_credentials=True)
    if code == "InvalidSignatureException":
        # The rest of such a message repeats the request with its session token.
        skewed = bool(SKEWED.search(message))
        return EndpointUnreadable(code, message.partition("\n")[0], passing=True, stale_credentials=not skewed)
    passing = code in SERVER | CLOCK_SKEW or status >= 500 or status == 408
    return EndpointUnreadable(code, message, passing=passing, not_offered=code in NOT_OFFERED)
