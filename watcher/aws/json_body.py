"""Reads the JSON object in the body of a response. Pure."""

from __future__ import annotations

import json
from typing import Any

from watcher.errors import MALFORMED, EndpointUnreadable


def body_of(content: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object in an answer's body.

    Raises:
        EndpointUnreadable: the body has no JSON object. The answer is cut off, or not the API's: it says nothing about
            the target.
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        kind = content_type.partition(";")[0].strip() or "no content type"
        raise EndpointUnreadable(
            MALFORMED, f"the answer is not whole JSON ({len(content)} bytes, {kind})", passing=True
        ) from None
    if not isinstance(answer, dict):
        raise EndpointUnreadable(MALFORMED, "the answer is JSON, but not an object", passing=True)
    return answer
