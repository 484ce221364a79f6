"""The HTTP side: health, metrics, the status page and its API, which reads, and with a token changes mutes.

    server (addresses), connection (limits) ─► handler (checks, paths) ─► api, stream ─► views (pure), responses

It runs in the daemon's event loop, so everything it does is bounded: polls come first.
"""
