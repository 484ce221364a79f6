"""`run`, `simulate` and `demo`: what stays until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from functools import partial
from math import isnan
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from watcher.aws.credential_process import kill_all
from watcher.cli.options import config_option, find_config, read_config, verbose_option, working_directory
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Pace(click.FloatRange):
    """A factor of real speed; refuses `nan`, which click accepts as a number in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        found: float = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value!r} is not a number", param, ctx)
        return found


SAME_SIGNAL = 0.5
"""Seconds in which a second signal is the first one told twice: `timeout` tells its child and then the whole group."""


@click.command(
    epilog="\b\nExamples:\n  watcher run\n  watcher run --config prod.yaml > events.jsonl\n"
    "  watcher run | jq 'select(.type == \"watcher.sync.failed\")'"
)
@config_option
@click.option("--emf", metavar="NAMESPACE", envvar="WATCHER_EMF",
              help="Write CloudWatch metrics (EMF) to stderr, a line each minute; also $WATCHER_EMF.")  # fmt: skip
@click.option("--emf-service", metavar="NAME", envvar="WATCHER_EMF_SERVICE", default="watcher", show_default=True,
              help="The dimension Service of these metrics; also $WATCHER_EMF_SERVICE.")  # fmt: skip
@verbose_option
def run(config: str | None, emf: str | None, emf_service: str, *, verbose: bool) -> int:
    """Watch, and write each event as a line of JSON to stdout, until SIGTERM or SIGINT.

    The first signal stops the polling and delivers what is due within `shutdown_grace`; a second one ends at once.
    Nothing that was seen is lost either way: what is not delivered is kept, and goes out at the next start.

    SIGHUP reads the configuration again, and so does a change of its file. A wrong one changes nothing.
    """
    from watcher.app import build  # noqa: PLC0415  the same
    from watcher.config.reloader import Reload  # noqa: PLC0415  the same
    from watcher.observability import logs  # noqa: PLC0415  --help needs none of these
    from watcher.observability.emf import Emf  # noqa: PLC0415  the same
    from watcher.util.rlimits import allow_more_files  # noqa: PLC0415  the same

    logs.set_up(verbose=verbose)
    cwd = working_directory()
    document = find_config(config, cwd)
    settings = read_config(document)
    allow_more_files()

    async def watch(stop: asyncio.Event) -> None:
        app = build(settings)
        reload = Reload(lambda: find_config(config, cwd), read_config, app.apply, app.reloaded, app.clock)

        def hangup() -> None:
            app.forget_credentials()
            reload.ask()

        _on_hangup(asyncio.get_running_loop(), hangup)
        beside: list[Callable[[], Coroutine[Any, Any, None]]] = [partial(reload.run, document)]
        if emf:
            metrics = Emf(app, emf, emf_service)
            app.tell(metrics)
            beside.append(metrics.run)
        await app.run(stop, *beside)

    return _until_stopped(watch)


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
    """Stand in for AWS on this machine: its sync-status APIs, over their real wire protocol."""
    from watcher.observability import logs  # noqa: PLC0415  --help needs none of these
    from watcher.simulator import (
        Simulator,
        generator,
        load_scenario,
    )

    logs.set_up(verbose=verbose)
    world = generator(seed) if scenario is None else load_scenario(_text_of(scenario), scenario)
    simulator = Simulator(world.at_pace(pace))

    async def serve(stop: asyncio.Event) -> None:
        url = await simulator.start(host, port)
        click.echo(f"The stand-in for AWS listens at {url}; it knows:")
        for target in simulator.world.scenario.targets():
            click.echo(f"  {target.id}")
        try:
            await stop.wait()
        finally:
            await simulator.stop()

    return _until_stopped(serve)


@click.command(epilog="\b\nExamples:\n  watcher demo --for 30s\n  watcher demo --json | jq .type")
@click.option("--for", "duration", metavar="DURATION", help="End by itself after this time: 30s, 2m.")
@click.option("--seed", type=int, default=41, show_default=True, help="Which made-up world.")
@click.option("--pace", type=Pace(0.1, 1e6), default=10.0, show_default=True, help="Times real speed.")
@click.option("--json", "as_json", is_flag=True, help="The events as they are.")
@verbose_option
def demo(duration: str | None, seed: int, pace: float, *, as_json: bool, verbose: bool) -> int:
    """See it work: the stand-in for AWS, and the daemon watching it, in one process."""
    from watcher.cli import demo as play  # noqa: PLC0415  --help needs none of these
    from watcher.observability import logs  # noqa: PLC0415  the same
    from watcher.util.duration import parse_duration  # noqa: PLC0415  the same

    try:
        seconds = None if duration is None else parse_duration(duration)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    logs.set_up(verbose=verbose, quiet=not verbose)
    return _until_stopped(lambda stop: play.play(stop, seed=seed, pace=pace, seconds=seconds, as_json=as_json))


def _on_hangup(loop: asyncio.AbstractEventLoop, ask: Callable[[], None]) -> None:
    """Call `ask` on SIGHUP; once the loop has ended SIGHUP does nothing (asyncio would restore its default, to end)."""

    def heard(*_: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ask)

    signal.signal(signal.SIGHUP, heard)


def _until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `work` with an event that SIGTERM and SIGINT set; a second signal ends the process at once."""

    async def until_stopped() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        first: float | None = None

        def stopping(*_: object) -> None:
            nonlocal first
            if first is None:
                first = monotonic()
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(stop.set)
            elif monotonic() - first >= SAME_SIGNAL:
                # Everything that was seen is in the store already: there is nothing to save.
                kill_all()
                os._exit(0)

        # Not by asyncio: it removes its handlers with the loop, and a signal would kill the process again.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stopping)
        await work(stop)

    asyncio.run(until_stopped())
    return 0


def _text_of(scenario: str) -> str:
    from watcher.config.document import decode, read  # noqa: PLC0415  --help needs no YAML

    try:
        document = read(scenario, working_directory(), "the file given with --scenario")
    except ConfigError as error:
        raise click.BadParameter("; ".join(map(str, error.faults)), param_hint="--scenario") from None
    return decode(document)
