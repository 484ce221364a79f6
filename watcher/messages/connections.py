"""What a message says of a connection, and what a person must do if it is not available. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from watcher.core.links import connection_page
from watcher.messages.message import Fact
from watcher.messages.sanitize import one_line

_MEANINGS = {
    "PENDING": "AWS reads no repository through this connection until a person finishes its handshake in the console.",
    "ERROR": "AWS reads no repository through this connection. Open it in the console, and connect it again.",
    "AVAILABLE": "AWS reads repositories through this connection again.",
}


def connection_lead(event: Mapping[str, Any]) -> list[str]:
    """Return what the status of an event's connection means."""
    return [_MEANINGS.get(event["data"]["connection"]["status"], "")]


def connection_facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield the facts of an event's connection, with a link to its page in the console."""
    data = event["data"]
    connection = data["connection"]
    yield Fact("Status", one_line(connection["status"], 40))
    yield Fact("Previous status", one_line(data["previous_status"] or "", 40))
    yield Fact("Connection", one_line(connection["arn"], 200), connection_page(connection["arn"]))
    yield Fact("Provider", one_line(connection["provider"] or "", 60))
    yield Fact("Host", one_line(connection["host"] or "", 200))


def connection_note(status: str) -> str:
    """Return what a person must do about a connection with this status; empty if nothing."""
    return "" if status == "AVAILABLE" else _MEANINGS.get(status, "")
