"""`demo`: the simulator, and the real daemon watching it over a real socket, in one process."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from watcher.app.build import build
from watcher.cli.configuration import parse
from watcher.cli.options import duration_option, examples, pace_option, seed_option, verbose_option
from watcher.cli.output.events import EventPrinter
from watcher.cli.output.targets import print_targets, status_rows
from watcher.cli.running import until_stopped
from watcher.config.document import Document
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.core.model import Target
from watcher.core.settings import Config
from watcher.errors import SinkClosed
from watcher.messages.phrases import counted
from watcher.observability import logs
from watcher.simulator.generator import generate
from watcher.simulator.server import Simulator
from watcher.simulator.world import World
from watcher.sources.proton import TEMPLATE

ACCOUNT, REGION = "demo", "us-east-1"

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo-secret", "AWS_EC2_METADATA_DISABLED": "true"}


@click.command(epilog=examples("watcher demo --for 30s", "watcher demo --json | jq .type"))
@duration_option("--for", "seconds", "Stop after this time, such as 30s or 2m. Default: run until interrupted.")
@seed_option(default=41)
@pace_option(0.1, default=10.0)
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON Lines, and nothing else.")
@verbose_option
def demo(seconds: float | None, seed: int, pace: float, *, as_json: bool, verbose: bool) -> int:
    """Run the daemon against a simulated AWS; no AWS account needed.

    Both run in this process, with a random scenario. Events are printed as they happen, and the status of every target
    at the end.
    """
    logs.set_up(verbose=verbose, quiet=not verbose)
    return until_stopped(lambda stop: play(stop, seed=seed, pace=pace, seconds=seconds, as_json=as_json))


async def play(stop: asyncio.Event, *, seed: int, pace: float, seconds: float | None, as_json: bool) -> None:
    """Run the demo until `stop` is set, or for `seconds` if given.

    `seed` is that of the random scenario; `pace` is its speed as a multiple of real time.
    """
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)  # it would lead the daemon away from the simulator
    os.environ |= CREDENTIALS
    simulator = Simulator(World(generate(seed, pace=pace)))
    url = await simulator.start()
    templates = [each for each in simulator.world.scenario.targets(region=REGION) if each.kind is TEMPLATE]
    try:
        with tempfile.TemporaryDirectory(prefix="watcher-demo-") as folder:
            config = demo_config(templates, url, Path(folder) / "demo.db", pace)
            if not as_json:
                click.echo(f"Simulated AWS at {url}, {pace:g} times real speed.")
                click.echo(
                    f"Watching {counted(len(templates), 'template')}, and the stacks and connections that AWS lists."
                )
            if seconds is not None:
                asyncio.get_running_loop().call_later(seconds, stop.set)
            sink = _PrintingSink(EventPrinter(as_json=as_json, within=f"{ACCOUNT}/{REGION}/"))
            app = build(config, sinks=[sink])

            async def print_page_url() -> None:
                if not as_json:
                    click.echo(f"Status page: {app.web.url}")
                await asyncio.Event().wait()

            await app.run(stop, print_page_url)
            if not as_json:
                click.echo(f"\n{sink.printed} events, {len(simulator.calls)} API calls. Current status:")
                now = datetime.now(UTC)
                print_targets(status_rows(app.view.config, app.recorder.records, now), now)
    finally:
        await simulator.stop()


def demo_config(templates: Sequence[Target], url: str, database: Path, pace: float) -> Config:
    """Return the daemon's configuration for the simulator, made from a text as a user's is."""
    settings: dict[str, Any] = {
        "state": f"sqlite:///{database}",
        "http": {"listen": "127.0.0.1:0"},
        "shutdown_grace": "3s",
        "accounts": [{"name": ACCOUNT, "regions": [REGION], "endpoint_url": url}],
        "defaults": {
            "interval": _milliseconds(8 / pace),
            "active_interval": _milliseconds(1 / pace),
            "stalled_after": _milliseconds(90 / pace),
        },
        "rate_limit": {"requests_per_second": 20},
        "templates": [dict(template.identity) for template in templates],
        "discover": [{"kind": kind, "every": _milliseconds(20 / pace)} for kind in ("stack", "connection")],
    }
    return parse(Document("the demo's configuration", json.dumps(settings).encode()), {}, lambda _: None)


def _milliseconds(seconds: float) -> str:
    return f"{max(100, round(seconds * 1000))}ms"


class _PrintingSink:
    """A sink that prints events for people."""

    name = "stdout"
    limits = Limits(batch=100, in_order=True)

    def __init__(self, printer: EventPrinter) -> None:
        self.printed = 0
        self._printer = printer

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        try:
            for delivery in deliveries:
                self._printer.print(delivery.event)
                self.printed += 1
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise SinkClosed("standard output was closed by its reader") from error
        return [SendOutcome(delivery, Verdict.TAKEN, "printed") for delivery in deliveries]

    async def close(self) -> None:
        """Do nothing: stdout stays open."""
