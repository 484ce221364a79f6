"""The share of the HTTP server that one client may use, so that enough is left for others."""

import resource
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_network

MAX_CONNECTIONS = 2000

RESERVED_FILES = 256
"""File descriptors for the rest of the daemon, in addition to its AWS calls."""


def may_have_more(own: int, total: int, most: int) -> bool:
    """Whether a client that has `own` of the `total` places in use may have another one of `most` places.

    A client may never have more places than are free: the first one gets half of them, the next one half of the rest,
    so a few clients never use up all (Choudhury and Hahne, "Dynamic queue length thresholds", 1998).
    """
    return own < most - total


def client_of(address: str) -> str:
    """The client of a peer's address; for IPv6 its /64 network, since a host can use all addresses of its network."""
    if ":" not in address:
        return address
    return str(ip_network((int(IPv6Address(address.partition("%")[0])), 64), strict=False))


def max_connections(files: int) -> int:
    """How many connections may be open if the process may open `files` files in addition to its AWS calls (-1: any)."""
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else max(16, min(MAX_CONNECTIONS, files - RESERVED_FILES))


class Shares:
    """How much each client uses of a resource of size `most`, such as the memory for response bodies.

    What several clients use, such as a shared body, counts once. A client may use more as long as it uses less than
    what is free (`may_have_more`).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._users: Counter[int] = Counter()
        self._of: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._sizes: dict[int, int] = {}

    @contextmanager
    def taken(self, client: str, thing: object, size: int = 1) -> Iterator[bool]:
        """Count `thing` for `client` within the `with` block, if there is room; the value is whether there is."""
        key, own = id(thing), self._of[client]
        has_room = key in self._users or may_have_more(
            sum(map(self._sizes.__getitem__, own)), sum(self._sizes.values()), self._most
        )
        if has_room:
            self._sizes[key] = size
            self._users[key] += 1
            own[key] += 1
        try:
            yield has_room
        finally:
            if has_room:
                for users in (self._users, own):
                    users[key] -= 1
                    if not users[key]:
                        del users[key]
                if key not in self._users:
                    del self._sizes[key]
            if not own:
                self._of.pop(client, None)
