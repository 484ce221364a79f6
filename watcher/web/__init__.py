"""The HTTP side: health, metrics, the status page and its API; with a token also mutes and acknowledgements.

    server (addresses), connection (limits) ─► handler (checks, paths) ─► api, stream, changes
                                                                          ─► views, panels (pure), responses

It runs in the daemon's event loop, so everything it does is bounded: polls come first.
"""
