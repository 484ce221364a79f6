"""Which hosts nothing may be posted to: those that are reachable only from this machine. Pure.

The owner of a receiver's name can point it to any address. Addresses of private networks (RFC 1918, most of fc00::/7)
are allowed, since internal receivers are common.
"""

import re
from collections.abc import Container
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import inet_aton

AWS_LOCAL = IPv6Network("fd00:ec2::/32")
"""AWS's services for an instance: metadata (::254), credentials of EKS pods (::23), DNS, time."""

AWS_CREDENTIALS = frozenset(map(IPv4Address, ("169.254.169.254", "169.254.170.2", "169.254.170.23")))
"""Instance metadata, and the credentials of ECS tasks and EKS pods; link-local, with a message of their own."""

CLOUD_METADATA = frozenset(map(ip_address, (
    "100.100.100.200",  # Alibaba Cloud
    "168.63.129.16",  # Azure: WireServer
    "192.0.0.192",  # Oracle Cloud, older images
    "fd00:42::42",  # Scaleway
    "fd00:a9fe:a9fe::1",  # Linode
    "fd00:c1::a9fe:a9fe",  # Oracle Cloud
    "fd20:ce::254",  # Google Cloud
)))  # fmt: skip
"""Metadata services of other clouds at addresses that are not link-local; most clouds use 169.254.169.254."""

BROADCAST = IPv4Address("255.255.255.255")

_LAST_32_BITS = (
    IPv6Network("::/96"),  # IPv4-compatible, RFC 4291
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated, RFC 2765
    IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
    IPv6Network("64:ff9b:1::/48"),  # local-use NAT64, RFC 8215
)
"""Networks whose addresses end in an IPv4 address, besides mapped, 6to4 and Teredo, which `ipaddress` knows."""

_ISATAP = (0x00005EFE, 0x02005EFE)
"""The 32 bits before the IPv4 address at the end of an ISATAP address, in any network (RFC 5214)."""

_LOOPBACK_NAME = re.compile(r".*\.localhost|localhost([46]?)(\.localdomain\1)?|ip6-(localhost|loopback)")
"""Names of the loopback addresses (RFC 6761), and in the hosts files of common systems."""

METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"})
"""Names that resolve to 169.254.169.254 within Google Cloud and Amazon EC2, for a proxy as well."""


def host_refusal(host: str, own: Container[str] = ()) -> str | None:
    """Why nothing may be posted to a URL's host, as `address_refusal`; None if it may be.

    Of names, only those of loopback and of metadata services are refused. An address is recognised in every form that
    resolvers accept: `127.1`, `0x7f000001`, `2130706433`.
    """
    name = host.rstrip(".").lower()
    if _LOOPBACK_NAME.fullmatch(name):
        return "is this machine"
    if name in METADATA_NAMES:
        return "is a cloud's metadata service"
    with suppress(ValueError):
        return address_refusal(str(ip_address(name)), own)
    with suppress(OSError):
        return address_refusal(str(IPv4Address(inet_aton(name))), own)
    return None


def address_refusal(address: str, own: Container[str] = ()) -> str | None:
    """Why nothing may be posted to an IP address, as the predicate of a message (`is …`); None if it may be.

    `own`: the addresses of this machine's interfaces, in canonical form. An IPv6 address is also refused for an IPv4
    address that it contains. A text that is not an IP address is refused.
    """
    try:
        parsed = ip_address(address.partition("%")[0])  # without the scope, which names an interface
    except ValueError:
        return "is not an IP address"
    if reason := _refusal(parsed, own):
        return reason
    for carried in _carried(parsed):
        if reason := _refusal(carried, own):
            return f"contains {carried}, which {reason}"
    return None


def _refusal(address: IPv4Address | IPv6Address, own: Container[str]) -> str | None:
    if address in AWS_CREDENTIALS or address in AWS_LOCAL:
        return "is AWS's metadata or credentials service"
    if address in CLOUD_METADATA:
        return "is a cloud's metadata service"
    if address.is_loopback:
        return "is this machine's loopback address"
    if address.is_link_local:
        return "is a link-local address"
    if address.is_unspecified or (address.version == 4 and address.packed[0] == 0):
        return "is not the address of a receiver"  # 0.0.0.0/8, ::: this host, to many systems
    if address.is_multicast or address == BROADCAST:
        return "is a multicast or broadcast address"
    if str(address) in own:
        return "is this machine's own address"
    return None


def _carried(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may be routed to."""
    if address.version == 4:
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _LAST_32_BITS) or int.from_bytes(address.packed[8:12], "big") in _ISATAP:
        found.append(IPv4Address(address.packed[-4:]))
    return [carried for carried in found if carried is not None]
