"""Ports on loopback for servers that are given theirs, and for addresses where nothing answers."""

from __future__ import annotations

import socket


def unused_port() -> int:
    """A port on which nothing listens, and which the system hands to nothing else for a minute.

    The end of a connection rests on it (TIME_WAIT), which keeps it out of the choice of ports; a server that names it
    may have it, if it sets SO_REUSEADDR as servers do.
    """
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        accepted.close()  # before its peer, so that this end rests
        return int(server.getsockname()[1])
