"""Finds where a daemon listens in a configuration that may be wrong: a typing error must not fail its health check."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from watcher.config.document import decode
from watcher.config.tree import Keys, Text, compose
from watcher.config.url_readers import DEFAULT_LISTEN, split_listen
from watcher.config.variables import fill, fill_tree
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from watcher.config.document import Document

OFF = ("off", "false", "no")
_OFF = re.compile(r"(?m)^http:[ ]*['\"]?(?:off|false|no)\b")
_HTTP = re.compile(r"(?m)^http:.*(?:\n(?:[ \t].*)?$)*")
"""The key, and the lines below that belong to it by their indentation."""
_LISTEN = re.compile(r"\blisten:[ ]*['\"]?([^\s,'\"]*[^\s,'\"}])")
_COMMENT = re.compile(r"(?m)(?:^|[ \t])#.*$")

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not listened at
"""The address at which a server that listens on all addresses can be reached."""


def listening_at(document: Document | None, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the host and port of the daemon by `document`, else the default; None: `http` is off."""
    try:
        text = "" if document is None else decode(document)
    except ConfigError:
        text = ""
    root = compose(text, _ignore)
    if isinstance(root, Keys):
        fill_tree(root, environ, _ignore)
        http = root.get("http")
        off = isinstance(http, Text) and http.lower() in OFF
        listen = http.get("listen") if isinstance(http, Keys) else None
    else:  # it is not YAML, yet the line may be there
        text = _COMMENT.sub("", text)
        off = _OFF.search(text) is not None
        http = _HTTP.search(text)
        found = (http and _LISTEN.search(http[0])) or _LISTEN.search(text)
        listen = found and fill(found[1], environ, _ignore)
    if off:
        return None
    try:
        return _reached_at(str(listen or DEFAULT_LISTEN))
    except ValueError:
        return _reached_at(DEFAULT_LISTEN)


def _reached_at(listen: str) -> tuple[str, int]:
    host, port = split_listen(listen)
    return LOOPBACK.get(host, host), port


def _ignore(*_: object) -> None:
    """Ignore faults: `validate` reports them."""
