"""`simulate`: a simulated AWS on this machine."""

import asyncio

import click

from watcher.cli.options import examples, pace_option, seed_option, verbose_option, working_directory
from watcher.cli.running import until_stopped
from watcher.config.document import decode, read
from watcher.errors import ConfigError
from watcher.observability import logs
from watcher.simulator.generator import generate
from watcher.simulator.scenario_parser import load_scenario
from watcher.simulator.server import Simulator
from watcher.simulator.world import World


@click.command(
    epilog=examples(
        "watcher simulate --port 4599",
        "watcher simulate --scenario config/scenario.yaml",
        "AWS_ENDPOINT_URL=http://127.0.0.1:4599 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any watcher run",
    )
)
@click.option("--scenario", metavar="FILE", help="The scenario to play. Default: a random one, made from --seed.")
@seed_option(default=1)
@pace_option(0.01, default=1.0)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True,
              help="The loopback address to listen on.")  # fmt: skip
@click.option("--port", metavar="PORT", type=click.IntRange(0, 65535), default=4599, show_default=True,
              help="The port to listen on; 0: any free port.")  # fmt: skip
@verbose_option
def simulate(scenario: str | None, seed: int, pace: float, host: str, port: int, *, verbose: bool) -> int:
    """Simulate the AWS sync-status APIs on this machine.

    Any AWS client can call them over the real wire protocol, with any credentials. The syncs begin, succeed and fail as
    the scenario says.
    """
    logs.set_up(verbose=verbose)
    parsed = generate(seed) if scenario is None else load_scenario(_text_of(scenario), scenario)
    simulator = Simulator(World(parsed.at_pace(pace)))

    async def serve(stop: asyncio.Event) -> None:
        url = await simulator.start(host, port)
        click.echo(f"The simulated AWS listens at {url} and has these targets:")
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
