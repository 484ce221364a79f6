"""`healthcheck`: whether the running daemon is well, for a container's health check."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from watcher.cli.options import config_option, find_config
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from watcher.config.document import Document

TIMEOUT = 4.0
"""Seconds: less than a container's health check usually allows."""

MOST = 65_536
"""Bytes of an answer that are read."""


@click.command(
    epilog="\b\nExamples:\n  watcher healthcheck\n  watcher healthcheck --ready\n"
    "  watcher healthcheck --url http://127.0.0.1:8080"
)
@config_option
@click.option("--url", metavar="URL", help="Where the daemon listens; else as the configuration says.")
@click.option("--ready", is_flag=True, help="Ask /readyz instead: is every endpoint tried, does the store work?")
def healthcheck(config: str | None, url: str | None, *, ready: bool) -> int:
    """Ask the running daemon's /livez; the exit code is 0 when it is well, else 1.

    A fault in the configuration does not matter here: the daemon goes on with the one that it has. Where the file may
    be too broken to tell `http.listen`, give --url.
    """
    base = url or _configured(config)
    if base is None:
        click.echo("watcher: `http` is off in the configuration, so there is nobody to ask", err=True)
        return 1
    well, told = _ask(f"{base.rstrip('/')}/{'readyz' if ready else 'livez'}")
    click.echo(told, err=not well)
    return 0 if well else 1


def _configured(config: str | None) -> str | None:
    from watcher.config.listening import listening_at  # noqa: PLC0415  --url and --help need no YAML

    document: Document | None
    try:
        document = find_config(config)
    except ConfigError:
        document = None
    at = listening_at(document, os.environ)
    if at is None:
        return None
    host, port = at
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _ask(url: str) -> tuple[bool, str]:
    """Whether the daemon says that it is well, and what to tell of that."""
    from urllib.error import HTTPError, URLError  # noqa: PLC0415  --help needs none of these
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415  the same

    from watcher.redact import printable  # noqa: PLC0415  the same

    if not url.startswith(("http://", "https://")):
        return False, f"watcher: {printable(url)} is no URL; give one such as http://127.0.0.1:8080"
    # The daemon is on this machine: a proxy of the surroundings is not for it.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT) as answer:
            answer.read(MOST)
    except HTTPError as error:
        return False, f"watcher: {printable(url)} answered {error.code}: {printable(_reasons(error.read(MOST)))}"
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return False, f"watcher: {printable(url)} does not answer ({printable(str(reason))}); is `watcher run` up?"
    return True, "ok"


def _reasons(body: bytes) -> str:
    try:
        told = json.loads(body)
        return "; ".join(map(str, told["reasons"])) or "no reason was given"
    except (ValueError, KeyError, TypeError):
        return "no reason was given"
