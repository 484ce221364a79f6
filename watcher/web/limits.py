"""How much of the HTTP side one client may have, so that something is left for the others."""

from __future__ import annotations

import asyncio
import resource
from ipaddress import IPv6Address, ip_network

MOST, KEPT_FREE = 2000, 256
"""Connections at once, and the file descriptors that the rest of the daemon needs beside them and its calls of AWS."""


def may_have_more(own: int, total: int, most: int) -> bool:
    """Whether a client that has `own` of the `total` places in use may have another, where there are `most`.

    Not more than what is left for others: the first client gets half of the places, the next one half of the rest, so a
    few of them never use up all (Choudhury and Hahne, "Dynamic queue length thresholds", 1998).
    """
    return own < most - total


def client_of(address: str) -> str:
    """The client behind a peer's address: of IPv6 the network, for each host has all of its addresses at hand."""
    if ":" not in address:
        return address
    return str(ip_network((int(IPv6Address(address.partition("%")[0])), 64), strict=False))


def most_connections(files: int) -> int:
    """How many connections there may be at once, where the process may open so many files beside its calls of AWS.

    -1 is any number of files.
    """
    return MOST if files == resource.RLIM_INFINITY else max(16, min(MOST, files - KEPT_FREE))


class Turns:
    """Lets one request begin in each turn of the event loop; the others wait in the order in which they came."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def wait(self) -> None:
        """Return in a turn in which no other one begins."""
        async with self._lock:
            await asyncio.sleep(0)
