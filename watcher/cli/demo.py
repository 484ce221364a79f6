"""`demo`: the stand-in for AWS, and the real daemon watching it over a real socket, in one process."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.app import build
from watcher.cli.options import verbose_option
from watcher.cli.output import EventPrinter, print_targets, status_rows
from watcher.cli.stopping import Pace, until_stopped
from watcher.config.document import Document
from watcher.config.parser import parse
from watcher.core.model import Kind
from watcher.core.ports import Limits, SendOutcome, Verdict
from watcher.errors import SinkClosed
from watcher.observability import logs
from watcher.simulator.generator import generate
from watcher.simulator.server import Simulator
from watcher.simulator.world import World
from watcher.util.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.app import App
    from watcher.core.model import Target
    from watcher.core.ports import Delivery
    from watcher.core.settings import Config

ACCOUNT, REGION = "demo", "us-east-1"

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo-secret", "AWS_EC2_METADATA_DISABLED": "true"}

NOT_FOR_A_DEMO = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL")


@click.command(epilog="\b\nExamples:\n  watcher demo --for 30s\n  watcher demo --json | jq .type")
@click.option("--for", "duration", metavar="DURATION", help="End by itself after this time: 30s, 2m.")
@click.option("--seed", type=int, default=41, show_default=True, help="Which made-up world.")
@click.option("--pace", type=Pace(0.1, 1e6), default=10.0, show_default=True, help="Times real speed.")
@click.option("--json", "as_json", is_flag=True, help="The events as they are.")
@verbose_option
def demo(duration: str | None, seed: int, pace: float, *, as_json: bool, verbose: bool) -> int:
    """Run the daemon against a simulated AWS, in one process."""
    try:
        seconds = None if duration is None else parse_duration(duration)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    logs.set_up(verbose=verbose, quiet=not verbose)
    return until_stopped(lambda stop: play(stop, seed=seed, pace=pace, seconds=seconds, as_json=as_json))


async def play(stop: asyncio.Event, *, seed: int, pace: float, seconds: float | None, as_json: bool) -> None:
    """Show it until `stop` is set, or for so many `seconds`.

    Args:
        stop: ends it.
        seed: which made-up world.
        pace: how many times faster than life the world goes.
        seconds: how long; None until stopped.
        as_json: print the events as they are, and nothing else.
    """
    for name in NOT_FOR_A_DEMO:
        os.environ.pop(name, None)
    os.environ |= CREDENTIALS
    simulator = Simulator(World(generate(seed, pace=pace)))
    url = await simulator.start()
    targets = simulator.world.scenario.targets(region=REGION)
    try:
        with tempfile.TemporaryDirectory(prefix="watcher-demo-") as folder:
            config = demo_config(targets, url, Path(folder) / "demo.db", pace)
            if not as_json:
                click.echo(f"A made-up AWS at {url}, {pace:g} times faster than life; watching {len(targets)} targets.")
            if seconds is not None:
                asyncio.get_running_loop().call_later(seconds, stop.set)
            printer = _Printing(EventPrinter(as_json=as_json, within=f"{ACCOUNT}/{REGION}/"))
            app = build(config, sinks=[printer])
            await app.run(stop, partial(_point_to_page, app, quiet=as_json))
            if not as_json:
                click.echo(f"\n{printer.printed} events, {len(simulator.calls)} API calls. Current status:")
                now = datetime.now(UTC)
                print_targets(status_rows(config, app.recorder.records, now), now)
    finally:
        await simulator.stop()


async def _point_to_page(app: App, *, quiet: bool) -> None:
    """Say where the status page is, now that it is there."""
    if not quiet:
        click.echo(f"Look at it in a browser: {app.web.url}")
    await asyncio.Event().wait()


def demo_config(targets: Sequence[Target], url: str, database: Path, pace: float) -> Config:
    """The daemon's configuration for a world's targets, by the same way as a user's: as YAML text."""
    lines = [
        f"state: sqlite:///{database}",
        "http: {listen: 127.0.0.1:0}",
        "shutdown_grace: 3s",
        f"accounts: [{{name: {ACCOUNT}, regions: [{REGION}], endpoint_url: '{url}'}}]",
        "defaults:",
        f"  interval: {_milliseconds(8 / pace)}",
        f"  active_interval: {_milliseconds(1 / pace)}",
        f"  stalled_after: {_milliseconds(90 / pace)}",
        "rate_limit: {requests_per_second: 20}",
        "templates:",
    ]
    for target in targets:
        if target.kind is Kind.TEMPLATE:
            part = dict(target.identity)
            lines.append(f"  - {{name: '{part['name']}', type: {part['type']}, version: {part['version']}}}")
    lines.append("stacks:")
    lines += [f"  - {{name: '{target.name}'}}" for target in targets if target.kind is Kind.STACK]
    return parse(Document("the demo's configuration", "\n".join(lines).encode()), {}, lambda _: None)


def _milliseconds(seconds: float) -> str:
    return f"{max(100, round(seconds * 1000))}ms"


class _Printing:
    """A sink that shows events to the person who watches."""

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
        """Nothing to let go of."""
