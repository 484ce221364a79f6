"""The ids of events and incidents: the hash of what they are about, never of when or where it was observed. Pure."""

import json
from collections.abc import Sequence
from hashlib import sha256


def id_of(identity: Sequence[str | int]) -> str:
    """Return the id of what has this identity: 32 hexadecimal digits."""
    return sha256(json.dumps(identity, separators=(",", ":")).encode()).hexdigest()[:32]


def incident_id(event_id: str) -> str:
    """Return the id of the incident that the event with this id opens."""
    return id_of(["incident", event_id])
