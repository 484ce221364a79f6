"""The IP addresses of this machine's network interfaces."""

import ctypes
import socket
import sys
from ipaddress import ip_address


class _Entry(ctypes.Structure):
    """The first fields of `struct ifaddrs` (getifaddrs(3)); the same on Linux, macOS and the BSDs."""

    _fields_ = (
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("address", ctypes.c_void_p),
    )


_ADDRESS = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}
"""The position of the address in a `sockaddr`, by family."""


def own_addresses() -> frozenset[str]:
    """The addresses of all interfaces in this network namespace, in canonical form and without a scope.

    Empty if the system does not return them, as in a sandbox without netlink. Not cached, since addresses change; a
    call takes less than a millisecond.
    """
    libc = ctypes.CDLL(None)
    first = ctypes.c_void_p()
    if libc.getifaddrs(ctypes.byref(first)):
        return frozenset()
    try:
        return frozenset(_listed(first.value))
    finally:
        libc.freeifaddrs(first)


def _listed(at: int | None) -> list[str]:
    found = []
    while at:
        entry = _Entry.from_address(at)
        if start := entry.address:
            family = int.from_bytes(ctypes.string_at(start, 2), sys.byteorder)
            if sys.platform != "linux":
                family >>= 8  # the first byte is the length
            if place := _ADDRESS.get(family):  # type: ignore[call-overload]  # AddressFamily is an int
                found.append(str(ip_address(ctypes.string_at(start, place.stop)[place])))
        at = entry.next
    return found
