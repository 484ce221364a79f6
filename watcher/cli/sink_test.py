"""`test-sink`: one test event through a configured sink, now."""

import asyncio
import json
from math import inf
from textwrap import indent

import click

from watcher.aws.sessions import Sessions
from watcher.cli.options import config_option, examples, load_config, refuse_unknown_sink, verbose_option
from watcher.cli.output.console import safe
from watcher.cli.running import run_to_end
from watcher.core.deliveries import Delivery, SendOutcome, Verdict
from watcher.core.events import trial_event
from watcher.core.sink_settings import SinkSettings
from watcher.errors import ServiceUnreachable, SinkError
from watcher.observability import logs
from watcher.util.clock import SystemClock
from watcher.util.units import format_duration


@click.command("test-sink", epilog=examples("watcher test-sink ops", "watcher test-sink ops --verbose"))
@config_option
@verbose_option
@click.argument("name", metavar="NAME")
def sink_test(config: str | None, name: str, *, verbose: bool) -> int:
    """Send a test event to a sink now and show the result.

    The event has the type `watcher.test`. It is sent once, whatever the sink's routing, and is not recorded. The exit
    code is 69 if the sink does not accept it.
    """
    logs.set_up(verbose=verbose, quiet=not verbose)
    settings = {sink.name: sink for sink in load_config(config).sinks}
    refuse_unknown_sink(name, settings, "NAME")
    sink, now = settings[name], SystemClock().now()
    event = trial_event(name, now)
    # What a sink writes to stdout stands there alone.
    err = sink.options.prints
    if message := sink.options.preview(json.loads(event.body)):
        click.echo(safe(indent(message, "  ")), err=err)
    outcome = run_to_end(_send(sink, Delivery(0, name, event, now.timestamp())))
    what = f"{name} ({sink.type})"
    if outcome.verdict is not Verdict.TAKEN:
        how = "rejected" if outcome.verdict is Verdict.NEVER else "did not accept"
        raise ServiceUnreachable(safe(f"{what} {how} the test event: {outcome.text}"))
    click.echo(safe(f"{what} accepted the test event: {outcome.text}"), err=err)
    return 0


async def _send(settings: SinkSettings, delivery: Delivery) -> SendOutcome:
    sink = settings.options.build(settings, Sessions())
    what, deadline = f"{settings.name} ({settings.type})", sink.limits.deadline
    try:
        async with asyncio.timeout(None if deadline == inf else deadline):
            (outcome,) = await sink.send([delivery])
    except TimeoutError:
        raise ServiceUnreachable(f"{what} did not respond within {format_duration(deadline)}") from None
    except SinkError as error:
        raise ServiceUnreachable(safe(f"{what} did not accept the test event: {error}")) from error
    finally:
        await sink.close()
    return outcome
