"""Where a daemon listens: by a valid configuration, and by one that may be wrong."""

import re
from collections.abc import Mapping
from ipaddress import ip_address

from watcher.config.document import Document, decode
from watcher.config.readers import meant_as_text, quoted, single
from watcher.config.tree import Keys, Text, compose
from watcher.config.variables import fill, fill_tree
from watcher.errors import ConfigError

DEFAULT_LISTEN = "127.0.0.1:8080"
"""Where a daemon listens unless `http.listen` says otherwise."""

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not listened at
"""The address at which a server that listens on all addresses can be reached."""

_OFF = re.compile(r"(?m)^http:[ ]*['\"]?(?:off|false|no)\b")
_HTTP = re.compile(r"(?m)^http:.*(?:\n(?:[ \t].*)?$)*")
"""The key, and the lines below that belong to it by their indentation."""
_LISTEN = re.compile(r"\blisten:[ ]*['\"]?([^\s,'\"]*[^\s,'\"}])")
_COMMENT = re.compile(r"(?m)(?:^|[ \t])#.*$")


def listen_address(value: object) -> str:
    """Return an address to listen at: `HOST:PORT` or `[IPv6]:PORT`."""
    text = single(value, "HOST:PORT")
    try:
        split_listen(text)
    except ValueError:
        examples = "127.0.0.1:8080, 0.0.0.0:8080, or in quotes '[::1]:8080'"
        raise ValueError(f"{quoted(text)} is not a valid HOST:PORT (examples: {examples})") from None
    return str(meant_as_text(text))


def split_listen(listen: str) -> tuple[str, int]:
    """Return the host and the port of an address to listen at; raise ValueError if it has another form."""
    host, _, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ip_address(host[1:-1]))
    elif not re.fullmatch(r"[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?", host):
        raise ValueError("no host")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("no port")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def listening_at(document: Document | None, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the host and port to reach the daemon of `document`; None: `http` is off.

    A typing error must not fail a health check, so what is wrong counts as not written. Of several files, the first
    that has `http` counts.
    """
    texts = [_decoded(part) for part in document.files] if document else [""]
    return _listening_at(next(filter(_HTTP.search, texts), texts[0]), environ)


def _decoded(document: Document) -> str:
    try:
        return decode(document)
    except ConfigError:
        return ""


def _listening_at(text: str, environ: Mapping[str, str]) -> tuple[str, int] | None:
    listen: str | None = None
    root = compose(text, _ignore)
    if isinstance(root, Keys):
        fill_tree(root, environ, _ignore)
        http = root.get("http")
        if isinstance(http, Text) and http.lower() in {"off", "false", "no"}:
            return None
        if isinstance(http, Keys):
            listen = str(http.get("listen") or "")
    else:  # it is not YAML, yet the line may be there
        text = _COMMENT.sub("", text)
        if _OFF.search(text):
            return None
        section = _HTTP.search(text)
        found = (section and _LISTEN.search(section[0])) or _LISTEN.search(text)
        listen = found and fill(found[1], environ, _ignore)
    try:
        host, port = split_listen(listen or DEFAULT_LISTEN)
    except ValueError:
        host, port = split_listen(DEFAULT_LISTEN)
    return LOOPBACK.get(host, host), port


def _ignore(*_: object) -> None:
    """Ignore faults: `validate` reports them."""
