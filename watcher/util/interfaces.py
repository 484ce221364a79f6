"""The IP addresses of this machine's network interfaces."""

from __future__ import annotations

import ctypes
import socket
import sys
from ipaddress import ip_address


class _Entry(ctypes.Structure):
    """The first fields of `struct ifaddrs` (getifaddrs(3)); the same on Linux, macOS and the BSDs."""


_Entry._fields_ = [
    ("next", ctypes.POINTER(_Entry)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]

_ADDRESS = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}
"""The position of the address in a `sockaddr`, by family."""


def own_addresses() -> frozenset[str]:
    """The addresses of all interfaces in this network namespace, in canonical form and without a scope.

    Empty if the system does not return them, as in a sandbox without netlink. Not cached, since addresses change; a
    call takes less than a millisecond.
    """
    libc = ctypes.CDLL(None)
    first = ctypes.POINTER(_Entry)()
    if libc.getifaddrs(ctypes.byref(first)):
        return frozenset()
    try:
        return frozenset(_listed(first))
    finally:
        libc.freeifaddrs(first)


def _listed(entry: ctypes._Pointer[_Entry]) -> list[str]:
    found = []
    while entry:
        if start := entry.contents.address:
            family = int.from_bytes(ctypes.string_at(start, 2), sys.byteorder)
            if sys.platform != "linux":
                family >>= 8  # the first byte is the length
            if place := _ADDRESS.get(family):  # type: ignore[call-overload]  # AddressFamily is an int
                found.append(str(ip_address(ctypes.string_at(start, place.stop)[place])))
        entry = entry.contents.next
    return found
