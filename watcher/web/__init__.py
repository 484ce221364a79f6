"""The HTTP side: health, metrics, the status page and its API. It reads, and changes nothing.

    server (sockets, limits) ──► site (who may, which route) ──► views (pure: what is told) ──► answer (how it is sent)

It lives in the daemon's own event loop, so whatever it does is bounded: polls come first.
"""
