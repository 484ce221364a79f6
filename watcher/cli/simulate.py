"""`simulate`: a stand-in for AWS on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watcher.cli.options import verbose_option, working_directory
from watcher.cli.stopping import Pace, until_stopped
from watcher.config.document import decode, read
from watcher.errors import ConfigError
from watcher.observability import logs
from watcher.simulator.generator import generate
from watcher.simulator.scenario_parser import load_scenario
from watcher.simulator.server import Simulator
from watcher.simulator.world import World

if TYPE_CHECKING:
    import asyncio


@click.command(
    epilog="\b\nExamples:\n  watcher simulate --port 4599\n  watcher simulate --scenario config/scenario.yaml\n"
    "  AWS_ENDPOINT_URL=http://127.0.0.1:4599 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any watcher run"
)
@click.option("--scenario", metavar="FILE", help="What happens in it; else a lively world made up from --seed.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which made-up world.")
@click.option("--pace", type=Pace(0.01, 1e6), default=1.0, show_default=True, help="Times real speed.")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", type=click.IntRange(0, 65535), default=4599, show_default=True, help="0: any free one.")
@verbose_option
def simulate(scenario: str | None, seed: int, pace: float, host: str, port: int, *, verbose: bool) -> int:
    """Simulate AWS on this machine: its sync-status APIs over their real wire protocol."""
    logs.set_up(verbose=verbose)
    parsed = generate(seed) if scenario is None else load_scenario(_text_of(scenario), scenario)
    simulator = Simulator(World(parsed.at_pace(pace)))

    async def serve(stop: asyncio.Event) -> None:
        url = await simulator.start(host, port)
        click.echo(f"The stand-in for AWS listens at {url}; it knows:")
        for target in simulator.world.scenario.targets():
            click.echo(f"  {target.id}")
        try:
            await stop.wait()
        finally:
            await simulator.stop()

    return until_stopped(serve)


def _text_of(scenario: str) -> str:
    try:
        document = read(scenario, working_directory(), "the file given with --scenario")
    except ConfigError as error:
        raise click.BadParameter("; ".join(map(str, error.faults)), param_hint="--scenario") from None
    return decode(document)
