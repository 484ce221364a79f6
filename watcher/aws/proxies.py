"""Which proxies can be used: calls to AWS and posts of sinks take the same ones."""

from yarl import URL

UNUSABLE = "is not the http or https URL of a host; other kinds, such as SOCKS, are not supported"
"""The end of a message about a proxy for which `proxy_url` returns None."""


def proxy_url(written: str) -> URL | None:
    """Return the URL of a proxy as botocore reads it from the environment; None: it is not that of an HTTP proxy."""
    try:
        proxy = URL(written)
    except ValueError:
        return None
    # botocore puts http:// before another scheme, and a # or ? in a password that is not escaped ends the host.
    beyond = proxy.raw_path.startswith("//") or proxy.raw_query_string or proxy.raw_fragment
    return proxy if proxy.scheme in {"http", "https"} and proxy.host and not beyond else None
