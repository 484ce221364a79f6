"""Checks an event that was read from a store for the parts on which the code that shows it relies. Pure.

`event_schema` has the complete form.
"""

from watcher.core.events import Event
from watcher.util.shapes import NONE, Each, Nullable, Optional, check, is_moment, is_time, parse


def check_event(event: Event, name: str = "event") -> Event:
    """Return `event`, which was read from a store, if it can be shown and sent; messages call it `name`.

    Raises:
        ValueError: its body does not have the required form.
    """
    check(event._asdict(), _ATTRIBUTES, name)
    data = parse(event.body, _BODY, f"{name}.body")["data"]
    if "attempt" in data and not ("blocker" in data and data["attempt"] is None):
        check(data, _SYNC, f"{name}.body.data")
    return event


_ATTRIBUTES = {"id": str, "type": str, "subject": str, "time": is_time}
_BODY = {
    **_ATTRIBUTES,
    "data": {
        "error": Optional({"code": str, "message": str, "since": is_time}, null=False),
        "blocker": Optional(
            {
                "id": str, "created_reason": (str, NONE), "created_at": Nullable(is_time),
                "contexts": Each(dict, str), "resolved_reason": (str, NONE), "resolved_at": Nullable(is_time),
            },
            null=False,
        ),
        "connection": Optional(
            {"arn": str, "name": str, "status": str, "provider": (str, NONE), "host": (str, NONE)}, null=False
        ),
        "lasted_seconds": Optional(is_moment, null=False),
        "links": Optional(Each(dict, str), null=False),
        "incident": Optional(
            {
                "id": str, "state": str, "opened_at": is_time, "problems": Each(list, str),
                "duration_seconds": Nullable(is_moment),
            },
        ),
        "muted": Optional({"reason": (str, NONE), "until": Nullable(is_time)}, null=False),
    },
}  # fmt: skip
_SYNC = {
    "status": str, "observed": bool, "first_seen": bool, "recovered": bool, "recreated": bool,
    "consecutive_failures": int,
    "attempt": {
        "startedAt": is_time, "status": str, "targetRevision": Optional(Each(dict, (str, NONE))),
        "events": Each(list, {
            "type": (str, NONE), "event": (str, NONE), "time": Nullable(is_time), "externalId": Optional(str),
        }),
    },
}  # fmt: skip
