"""Why a request to a receiver failed, in words for people."""

import errno
import os
import ssl
from collections.abc import Callable

import aiohttp

from watcher.aws.profiles import system_ca_fault
from watcher.core.sink_settings import Reach
from watcher.errors import SinkError
from watcher.sinks.http import Response


class UnansweredError(SinkError):
    """The receiver was reached but sent no whole response: it may have the event, and the event may be the cause."""


class RefusedAddressError(OSError):
    """An address that is refused; an OSError, so that aiohttp tries the next address of the name."""

    def __str__(self) -> str:
        return self.strerror or ""


def explain(
    error: Exception, options: Reach, hide: Callable[[str], str], *, proxied: bool
) -> tuple[type[SinkError], str]:
    """Return why a request failed: the error to raise, and its text without the parts of the URL that may be secret."""
    kind: type[SinkError] = SinkError
    whose = "the proxy's" if proxied else "its"
    match error:
        case aiohttp.ConnectionTimeoutError():
            text = f"no connection within {options.timeout / 2:g} s"
        case TimeoutError():
            kind, text = UnansweredError, f"no response within {options.timeout:g} s"
        case aiohttp.ClientConnectorDNSError():
            text = f"{whose} name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "no reason is given")
            fault = system_ca_fault(os.environ) if options.ca_file is None else None
            text = "; ".join(filter(None, [f"its certificate is not trusted: {reason}", fault]))
        case aiohttp.ClientSSLError():
            text = f"no TLS connection: {_reason(error.os_error)}"
        case aiohttp.ClientConnectorError():
            to = " to the proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
            text = f"no connection{to}: {_reason(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            text = f"the proxy responded {Response(error.status, hide(error.message))}"
        case aiohttp.ClientResponseError():
            kind, text = UnansweredError, "its response is not HTTP, or has too many or too long headers"
        case ValueError():
            text = "the URL, or a header, cannot be sent"
        case _:
            kind, text = UnansweredError, "it closed the connection before it responded"
    return kind, text


def _reason(error: OSError) -> str:
    """The reason in few words; if several addresses failed in different ways, all reasons."""
    if isinstance(error, ssl.SSLError) or error.errno in (None, errno.EACCES):
        return (error.strerror or str(error)).removeprefix("Multiple exceptions: ") or "it was closed"
    return os.strerror(error.errno)
