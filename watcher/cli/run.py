"""`run`: the daemon, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from watcher.app import build
from watcher.cli.configuration import read_config
from watcher.cli.options import config_option, find_config, verbose_option, working_directory
from watcher.cli.stopping import until_stopped
from watcher.config.reloader import Reload
from watcher.observability import logs
from watcher.observability.emf import Emf
from watcher.util.rlimits import allow_more_files

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


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

    return until_stopped(watch)


def _on_hangup(loop: asyncio.AbstractEventLoop, ask: Callable[[], None]) -> None:
    """Call `ask` on SIGHUP; once the loop has ended SIGHUP does nothing (asyncio would restore its default, to end)."""

    def heard(*_: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ask)

    signal.signal(signal.SIGHUP, heard)
