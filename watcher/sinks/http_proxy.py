"""Chooses the proxy that a sink posts through."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Literal

from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies
from yarl import URL

from watcher.aws.proxies import UNUSABLE, proxy_url
from watcher.errors import SinkError
from watcher.util.redaction import remember

if TYPE_CHECKING:
    from pydantic import SecretStr


def proxy_for(url: str, configured: SecretStr | Literal[False] | None) -> URL | None:
    """Return the proxy for `url`: `configured`, or if that is None, the environment's; None: no proxy.

    HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read as botocore does it, so that calls to AWS and posts use the same
    proxy. The proxy's credentials are redacted everywhere from now on.

    Raises:
        SinkError: the environment's value is not the URL of an HTTP proxy.
    """
    if configured is False:
        return None
    if configured is None:
        written = ProxyConfiguration(get_environ_proxies(url)).proxy_url_for(url)
    else:
        written = configured.get_secret_value()
    if not written:
        return None
    proxy = proxy_url(written)
    if proxy is None:
        variable = f"{URL(url).scheme.upper()}_PROXY"
        raise SinkError(f"the proxy that the environment names ({variable}) {UNUSABLE}")
    if proxy.user or proxy.password:
        credentials = f"{proxy.user or ''}:{proxy.password or ''}"
        # As aiohttp encodes them.
        remember(proxy.password, credentials, b64encode(credentials.encode("latin-1", "replace")).decode())
    return proxy
