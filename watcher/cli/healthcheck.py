"""`healthcheck`: whether the running daemon is well, for a container's health check."""

from __future__ import annotations

import json
import os
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

import click

from watcher.cli.options import config_option, find_config
from watcher.config.listen_address import listening_at
from watcher.errors import ConfigError
from watcher.util.redaction import printable

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
@click.option(
    "--url", metavar="URL", envvar="WATCHER_URL", help="Where it listens; also $WATCHER_URL; else as configured."
)
@click.option("--ready", is_flag=True, help="Ask /readyz instead: is every endpoint tried, does the store work?")
def healthcheck(config: str | None, url: str | None, *, ready: bool) -> int:
    """Ask the running daemon's /livez; the exit code is 0 when it is healthy, else 1.

    A fault elsewhere in the configuration does not matter here. But where a change of `http.listen` itself was refused,
    the daemon listens where it did: give --url where an orchestrator decides by this.
    """
    base = url or _configured(config)
    if base is None:
        click.echo("watcher: `http` is off in the configuration, so there is nobody to ask", err=True)
        return 1
    well, told = _ask(f"{base.rstrip('/')}/{'readyz' if ready else 'livez'}")
    click.echo(told, err=not well)
    return 0 if well else 1


def _configured(config: str | None) -> str | None:
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

    class Stay(HTTPRedirectHandler):
        """Whoever sends elsewhere is not the daemon."""

        def redirect_request(self, *_: object) -> None:
            return None

    shown = printable(url)
    if not url.startswith(("http://", "https://")):
        return False, f"watcher: {shown} is no URL; give one such as http://127.0.0.1:8080"
    # The daemon is on this machine: a proxy of the surroundings is not for it.
    opener = build_opener(ProxyHandler({}), Stay)
    try:
        try:
            with opener.open(url, timeout=TIMEOUT) as answer:
                status, body = answer.status, answer.read(MOST)
        except HTTPError as error:
            status, body = error.code, error.read(MOST)
    except (HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return False, (
            f"watcher: {shown} does not answer ({printable(str(reason) or type(reason).__name__)}); "
            "is `watcher run` up? Where a change of `http.listen` was refused, it is still at the old one: --url"
        )
    told = _told(body)
    if status == 200 and told is not None and told.get("ok") is True:
        return True, "ok"
    if told is None:
        return False, f"watcher: {shown} answered {status}, and not as watcher does; is another program there?"
    given = told.get("reasons")
    reasons = "; ".join(map(str, given)) if isinstance(given, list) else ""
    return False, f"watcher: {shown} answered {status}: {printable(reasons or 'no reason was given')}"


def _told(body: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
