"""How responses are encoded, as far as a test needs no socket."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from watcher.web.limits import Shares, client_of, max_connections, may_have_more
from watcher.web.responses import accepts_gzip


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip;q=1.0", True), ("gzip; q=0.001", True),
        ("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("xgzip", False),
    ],
)  # fmt: skip
def test_gzip_is_sent_to_who_takes_it(header: str, takes: bool) -> None:  # noqa: FBT001
    assert accepts_gzip(header) is takes


@pytest.mark.parametrize(("files", "most"), [(-1, 2000), (1024, 768), (65536, 2000), (2256, 2000), (260, 16)])
def test_connections_leave_files_for_the_rest(files: int, most: int) -> None:
    assert max_connections(files) == most


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_and_of_ipv6_a_network(address: str, client: str) -> None:
    assert client_of(address) == client


def test_each_client_gets_half_of_what_the_ones_before_left() -> None:
    most, total, shares = 200, 0, []
    for _ in range(5):
        own = 0
        while may_have_more(own, total, most):
            own, total = own + 1, total + 1
        shares.append(own)
    assert shares == [100, 50, 25, 13, 6]


def test_bodies_that_are_being_read_leave_room_for_others() -> None:
    held, bodies = Shares(100), [b"%020d" % number for number in range(9)]
    with ExitStack() as readers:

        def takes(client: str, body: bytes) -> bool:
            return readers.enter_context(held.taken(client, body, len(body)))

        assert [takes("a", body) for body in bodies[:4]] == [True, True, True, False]
        assert takes("b", bodies[4])
        assert takes("a", bodies[4])  # it is there already
        assert not takes("a", bodies[5])
        with held.taken("c", bodies[6], len(bodies[6])) as room:
            assert room
        assert takes("c", bodies[7])
        assert not takes("d", bodies[8])
    with held.taken("a", bodies[8], len(bodies[8])) as room:
        assert room
