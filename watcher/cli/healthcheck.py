"""`healthcheck`: whether the running daemon is healthy, for a container's health check."""

import json
import os
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import click

from watcher.cli.options import config_option, examples, find_config, remote_name
from watcher.errors import ConfigError
from watcher.util.redaction import printable


@click.command(
    epilog=examples(
        "watcher healthcheck", "watcher healthcheck --ready", "watcher healthcheck --url http://127.0.0.1:8080"
    )
)
@config_option
@click.option("--url", metavar="URL", envvar="WATCHER_URL",
              help="The daemon's address; also $WATCHER_URL. Default: `http.listen` of the configuration.")  # fmt: skip
@click.option("--ready", is_flag=True,
              help="Ask /readyz: exit with 0 only if every endpoint was tried and the store works.")  # fmt: skip
def healthcheck(config: str | None, url: str | None, *, ready: bool) -> int:
    """Exit with 0 if the running daemon is healthy, else with 1.

    Asks the daemon's /livez. Only `http` is read from the configuration, so errors elsewhere in it do not matter. A
    daemon that rejected a change of `http.listen` still listens at its old address: pass that as --url. Of a
    configuration in AWS, the last good copy is read.
    """
    base = url or _configured_url(config)
    if base is None:
        click.echo("watcher: `http` is off in the configuration, so the daemon cannot be asked", err=True)
        return 1
    healthy, message = _ask(f"{base.rstrip('/')}/{'readyz' if ready else 'livez'}")
    click.echo(message, err=not healthy)
    return 0 if healthy else 1


def _configured_url(config: str | None) -> str | None:
    from watcher.config.listen_address import listening_at  # noqa: PLC0415  --url needs no configuration

    document = None
    if remote := remote_name(config):
        # What the daemon has in force; AWS is not asked, since an outage there must not end the daemon.
        from watcher.cli.remote_config import fetch_copy  # noqa: PLC0415  it loads aiobotocore

        document = fetch_copy(remote)
    else:
        with suppress(ConfigError):
            document = find_config(config)
    at = listening_at(document, os.environ)
    if at is None:
        return None
    host, port = at
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _ask(url: str) -> tuple[bool, str]:
    """Return whether the daemon is healthy, and a message for people. No proxy is used, and no redirect followed."""
    shown = printable(url)
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return False, f"watcher: {shown} is not a valid URL (example: http://127.0.0.1:8080)"
        connection_type = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        # These are fewer seconds than a container's health check usually allows.
        with closing(connection_type(parts.hostname, parts.port, timeout=4.0)) as connection:
            connection.request("GET", parts.path)
            response = connection.getresponse()
            status, body = response.status, response.read(65_536)
    except (HTTPException, OSError, ValueError) as error:
        return False, (
            f"watcher: {shown} does not respond ({printable(str(error) or type(error).__name__)}); "
            "check that `watcher run` is running and listens there, or pass another address as --url"
        )
    health = None
    with suppress(ValueError, RecursionError):
        health = json.loads(body)
    if not isinstance(health, dict):
        return False, f"watcher: {shown} responded with {status}, but not as watcher does; is it another program?"
    if status == 200 and health.get("ok") is True:
        return True, "ok"
    given = health.get("reasons")
    reasons = "; ".join(map(str, given)) if isinstance(given, list) else ""
    return False, f"watcher: {shown} responded with {status}: {printable(reasons or 'no reason given')}"
