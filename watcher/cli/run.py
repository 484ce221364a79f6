"""`run`: the daemon."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable
from functools import partial

import click

from watcher.app.build import build
from watcher.app.lifecycle import Task
from watcher.cli.configuration import read_config
from watcher.cli.options import config_option, examples, verbose_option, working_directory
from watcher.cli.remote_config import DaemonConfig
from watcher.cli.running import until_stopped
from watcher.config.reloader import Reloader
from watcher.observability import logs
from watcher.observability.emf import Emf
from watcher.util.rlimits import allow_more_files


@click.command(
    epilog=examples(
        "watcher run",
        "watcher run --config prod.yaml > events.jsonl",
        "watcher run | jq 'select(.type == \"watcher.sync.failed\")'",
    )
)
@config_option
@click.option("--emf", metavar="NAMESPACE", envvar="WATCHER_EMF",
              help="Write CloudWatch metrics (EMF) to stderr, one line a minute; also $WATCHER_EMF.")  # fmt: skip
@click.option("--emf-service", metavar="NAME", envvar="WATCHER_EMF_SERVICE", default="watcher", show_default=True,
              help="The dimension `Service` of these metrics; also $WATCHER_EMF_SERVICE.")  # fmt: skip
@verbose_option
def run(config: str | None, emf: str | None, emf_service: str, *, verbose: bool) -> int:
    """Poll all targets continuously and send an event when a sync changes its status.

    Events are sent to the configured sinks. Without sinks, they are written to stdout, one line of JSON each.

    SIGTERM or SIGINT stops the polling, delivers what is due within `shutdown_grace`, and ends the daemon with exit
    code 0. A second signal ends it at once. Nothing is lost either way: what was not delivered is stored, and is sent
    after the next start.

    SIGHUP, or a change of the configuration, reloads it. An invalid one changes nothing. If it is in AWS, it is asked
    for once a minute, and the last good one is kept in the store that WATCHER_STATE names.
    """
    logs.set_up(verbose=verbose)
    found = DaemonConfig(config, working_directory())
    first = found.first
    settings = read_config(first.document)
    allow_more_files()

    async def watch(stop: asyncio.Event) -> None:
        app = build(settings)
        gc.freeze()  # what is loaded stays, and a search for garbage that went through all of it would take 50 ms
        clock, keeper = app.view.clock, found.keeper(app.view.clock)
        reloader = Reloader(found.source(), read_config, app.apply, app.reloaded, clock)

        def hangup() -> None:
            app.sessions.drop()
            reloader.ask()

        _on_hangup(asyncio.get_running_loop(), hangup)
        beside: list[Task] = [partial(reloader.run, first.document, first.fault, first.kept_at)]
        if keeper is not None:
            reloader.loaded = keeper.keep
            beside.append(keeper.run)
        if emf:
            metrics = Emf(app.view, emf, emf_service)
            app.observers.add(metrics)
            beside.append(metrics.run)
        await app.run(stop, *beside)

    return until_stopped(watch)


def _on_hangup(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Run `callback` on SIGHUP; after the loop's end SIGHUP is ignored, where asyncio would let it end the process."""

    def handle(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(callback)

    signal.signal(signal.SIGHUP, handle)
