"""Hosts that are reachable only from this machine are refused, in every form in which they can be written."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.util.interfaces import own_addresses
from watcher.util.ip_addresses import address_refusal, host_refusal

METADATA = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("0:0:0:0:0:0:0:1", "loopback"),
        ("0.0.0.0", "not the address"),  # noqa: S104  it is refused, not bound
        ("0.1.2.3", "not the address"),
        ("::", "not the address"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("::1%lo", "loopback"),
        ("224.0.0.1", "multicast or broadcast"),
        ("239.255.255.250", "multicast or broadcast"),
        ("ff02::1", "multicast or broadcast"),
        ("ff02::1%2", "multicast or broadcast"),
        ("255.255.255.255", "multicast or broadcast"),
        ("localhost", "not an IP address"),
        ("", "not an IP address"),
        ("2130706433", "not an IP address"),
        *((address, "AWS's metadata") for address in METADATA),
        ("100.100.100.200", "a cloud's metadata"),
        ("168.63.129.16", "a cloud's metadata"),
        ("192.0.0.192", "a cloud's metadata"),
        ("fd00:42::42", "a cloud's metadata"),
        ("fd00:a9fe:a9fe::1", "a cloud's metadata"),
        ("fd00:c1::a9fe:a9fe", "a cloud's metadata"),
        ("fd20:ce:0::254", "a cloud's metadata"),
    ],
)
def test_an_address_of_this_machine_or_of_many_is_refused(address: str, words: str) -> None:
    assert words in (address_refusal(address) or "")


def forms(address: str) -> dict[str, str]:
    """Every form of an IPv6 address that contains an IPv4 address."""
    number = int(IPv4Address(address))
    return {
        "mapped": f"::ffff:{address}",
        "mapped, in hexadecimal": str(IPv6Address((0xFFFF << 32) | number)),
        "compatible": f"::{address}",
        "translated": f"::ffff:0:{address}",
        "6to4": str(IPv6Address((0x2002 << 112) | (number << 80) | 1)),
        "NAT64": f"64:ff9b::{address}",
        "NAT64 of one's own": f"64:ff9b:1::{address}",
        "ISATAP": f"2001:db8::5efe:{address}",
        "ISATAP, a global address": f"2001:db8::200:5efe:{address}",
        "Teredo, the client": str(IPv6Address((0x20010000 << 96) | (0x08080808 << 64) | (number ^ 0xFFFFFFFF))),
        "Teredo, the server": str(IPv6Address((0x20010000 << 96) | (number << 64) | (0x08080808 ^ 0xFFFFFFFF))),
        "with a scope": f"::ffff:{address}%eth0",
    }


INTERFACES = frozenset({"127.0.0.1", "::1", "10.0.0.5", "203.0.113.7", "2001:db8::7", "fd12::7", "fe80::7"})


@pytest.mark.parametrize("form", forms("127.0.0.1"))
@pytest.mark.parametrize("address", ["10.0.0.5", "203.0.113.7"])
def test_an_address_of_an_interface_of_this_machine_is_refused_in_each_form(address: str, form: str) -> None:
    for written in (address, forms(address)[form]):
        assert "this machine's own address" in (address_refusal(written, INTERFACES) or "")
        assert address_refusal(written) is None


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("2001:db8::7", "own"),
        ("2001:DB8:0::7", "own"),
        ("2001:db8::7%eth0", "own"),
        ("fd12::7", "own"),
        ("10.0.0.5", "own"),
        ("10.0.5", "own"),  # as resolvers take it
        ("0xa000005", "own"),
        ("167772165", "own"),
        ("127.0.0.1", "loopback"),
        ("localhost", "this machine"),
        ("A.LocalHost.", "this machine"),
        ("localhost.localdomain", "this machine"),
        ("ip6-loopback", "this machine"),
        ("100.100.100.200", "metadata"),
        ("Metadata.Google.Internal.", "metadata"),
        ("instance-data", "metadata"),
        ("metadata.example.com", None),
        ("10.0.0.6", None),
        ("2001:db8::8", None),
        ("receiver.example", None),
        ("10.0.0.5.example", None),
    ],
)
def test_a_host_is_refused_for_what_it_says_of_itself(host: str, words: str | None) -> None:
    why = host_refusal(host, INTERFACES)
    assert why is None if words is None else words in (why or "")


def test_the_addresses_of_this_machine_are_found() -> None:
    """The addresses that packets to other hosts would come from are among them; no packet is sent."""
    assert "127.0.0.1" in own_addresses()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, suppress(OSError):
        out.connect(("192.0.2.254", 9))
        assert out.getsockname()[0] in own_addresses()


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "2606:4700::1111", "fd12:3456::1", "2000::1%3"],
)
def test_a_receiver_elsewhere_or_in_a_private_network_is_not_refused(address: str) -> None:
    assert address_refusal(address) is None


@pytest.mark.parametrize("form", forms("127.0.0.1"))
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "169.254.170.2", "0.0.0.0", "224.0.0.1"])  # noqa: S104  refused, not bound
def test_what_is_refused_is_refused_within_an_ipv6_address(address: str, form: str) -> None:
    assert address_refusal(forms(address)[form])


@pytest.mark.parametrize("form", forms("127.0.0.1"))
@pytest.mark.parametrize("address", ["10.1.2.3", "8.8.4.4"])
def test_what_is_let_through_is_let_through_within_an_ipv6_address(address: str, form: str) -> None:
    assert address_refusal(forms(address)[form]) is None


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_an_address_is_treated_the_same_in_each_form(number: int) -> None:
    address = str(IPv4Address(number))
    assert {address_refusal(form) is None for form in forms(address).values()} == {address_refusal(address) is None}


@given(st.text())
def test_a_text_that_is_not_an_address_is_refused(text: str) -> None:
    assert address_refusal(f"x{text}") == "is not an IP address"
