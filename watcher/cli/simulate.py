"""`simulate`: a simulated AWS on this machine."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import click

from watcher.cli.options import examples, pace_option, seed_option, verbose_option, working_directory
from watcher.cli.running import until_stopped
from watcher.config.document import decode, read
from watcher.errors import ConfigError
from watcher.observability import logs
from watcher.simulator.generator import generate
from watcher.simulator.organisation import organisation as generate_organisation
from watcher.simulator.scenario import Scenario
from watcher.simulator.scenario_parser import load_scenario
from watcher.simulator.server import Simulator
from watcher.simulator.world import World


@click.command(
    epilog=examples(
        "watcher simulate --port 4599",
        "watcher simulate --scenario config/scenario.yaml",
        "watcher simulate --organisation --pace 10",
        "AWS_ENDPOINT_URL=http://127.0.0.1:4599 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any watcher run",
    )
)
@click.option("--scenario", metavar="FILE", help="The scenario to play. Default: a random one, made from --seed.")
@click.option("--organisation", is_flag=True,
              help="Simulate an organisation: 12 accounts, 40 repositories, 1,000 stacks.")  # fmt: skip
@seed_option(default=1)
@pace_option(0.01, default=1.0)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True,
              help="The loopback address to listen on.")  # fmt: skip
@click.option("--port", metavar="PORT", type=click.IntRange(0, 65535), default=4599, show_default=True,
              help="The port to listen on; 0: any free port.")  # fmt: skip
@verbose_option
def simulate(
    scenario: str | None, seed: int, pace: float, host: str, port: int, *, organisation: bool, verbose: bool
) -> int:
    """Simulate the AWS sync-status APIs on this machine.

    Any AWS client can call them over the real wire protocol, with any credentials. The syncs begin, succeed and fail as
    the scenario says.
    """
    logs.set_up(verbose=verbose)
    if organisation and scenario is not None:
        raise click.UsageError("use either --scenario or --organisation")
    generated = generate_organisation if organisation else generate
    parsed = generated(seed) if scenario is None else load_scenario(_text_of(scenario), scenario)
    simulator = Simulator(World(parsed.at_pace(pace)))

    async def serve(stop: asyncio.Event) -> None:
        url = await simulator.start(host, port)
        click.echo(f"The simulated AWS listens at {url} and has these targets:")
        for line in _summary(simulator.world.scenario, url):
            click.echo(f"  {line}")
        try:
            await stop.wait()
        finally:
            await simulator.stop()

    return until_stopped(serve)


def _summary(scenario: Scenario, url: str) -> Iterator[str]:
    """Each target that is in every account, how many there are in single accounts, and the queues."""
    for target in scenario.targets():
        yield target.id
    own = Counter((each.account, each.region or "any region") for each, _ in scenario.timelines if each.account)
    for (account, region), count in sorted(own.items()):
        yield f"account {account}, {region}: {count} targets (assume arn:aws:iam::{account}:role/watcher)"
    for queue in scenario.queues:
        yield f"queue {url}/{queue.account}/{queue.name} in {queue.region}"


def _text_of(scenario: str) -> str:
    try:
        document = read(scenario, working_directory(), "the file given with --scenario")
    except ConfigError as error:
        raise click.BadParameter("; ".join(map(str, error.faults)), param_hint="--scenario") from None
    return decode(document)
