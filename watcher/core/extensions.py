"""Adds CloudEvents extension attributes to an event's JSON.

It is apart from `events` so that `ports` does not load the library of CloudEvents.
"""

from __future__ import annotations

import json


def with_reminder(body: str, count: int) -> str:
    """Return the CloudEvent `body` as its `count`-th reminder, with the extension attribute `reminder`."""
    return extended(body, reminder=count)


def extended(body: str, **attributes: str | int) -> str:
    """Return the CloudEvent `body` with further attributes."""
    return json.dumps({**json.loads(body), **attributes})
