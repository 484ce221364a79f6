"""`test-sink`: one event that says that nothing has happened, through a configured sink, now."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from math import inf
from textwrap import indent
from typing import TYPE_CHECKING

import click

from watcher.aws.sessions import Sessions
from watcher.cli.configuration import load_config
from watcher.cli.options import config_option, refuse_unknown_sink, verbose_option
from watcher.core.events import trial_event
from watcher.core.ports import Delivery, Verdict
from watcher.errors import ServiceUnreachable, SinkError
from watcher.messages.plain import plain
from watcher.messages.template import Template, told
from watcher.observability import logs
from watcher.sinks import SinkContext, sink_for
from watcher.util.clock import SystemClock
from watcher.util.duration import format_duration
from watcher.util.redaction import printable, redact

if TYPE_CHECKING:
    from watcher.core.events import Event
    from watcher.core.ports import SendOutcome
    from watcher.core.settings import SinkSettings
    from watcher.messages.plain import Text


@click.command("test-sink", epilog="\b\nExamples:\n  watcher test-sink ops\n  watcher test-sink ops --verbose")
@config_option
@verbose_option
@click.argument("name", metavar="NAME")
def test_sink(config: str | None, name: str, *, verbose: bool) -> int:
    """Send one `watcher.test` event through a sink now and show the result.

    It goes past the state store and the sink's routing, and is tried once; 69 when the sink did not take it.
    """
    logs.set_up(verbose=verbose, quiet=not verbose)
    settings = {sink.name: sink for sink in load_config(config).sinks}
    refuse_unknown_sink(name, settings, "NAME")
    sink, now = settings[name], SystemClock().now()
    event = trial_event(name, now)
    # What a sink writes to stdout shall stand there alone.
    beside = sink.type == "stdout"
    _show(indent(_as_read(sink, event), "  "), err=beside)
    answer = asyncio.run(_tried(sink, Delivery(0, name, event, now.timestamp())))
    what = f"{name} ({sink.type})"
    if answer.verdict is not Verdict.TAKEN:
        how = "refuses the test event for good" if answer.verdict is Verdict.NEVER else "did not take the test event"
        raise ServiceUnreachable(_fit(f"{what} {how}: {answer.text}"))
    _show(f"{what} took the test event: {answer.text}", err=beside)
    return 0


async def _tried(settings: SinkSettings, delivery: Delivery) -> SendOutcome:
    """What the sink answers to one try.

    Raises:
        ServiceUnreachable: it gives no answer.
    """
    sink = sink_for(settings, SinkContext(Sessions()))
    what, deadline = f"{settings.name} ({settings.type})", sink.limits.deadline
    try:
        async with asyncio.timeout(None if deadline == inf else deadline):
            (answer,) = await sink.send([delivery])
    except TimeoutError:
        raise ServiceUnreachable(f"{what} gave no answer within {format_duration(deadline)}") from None
    except SinkError as error:
        raise ServiceUnreachable(_fit(f"{what} did not take the test event: {error}")) from error
    finally:
        await sink.close()
    return answer


def _as_read(settings: SinkSettings, event: Event) -> str:
    """The message that people get from a text sink, as far as a terminal can show it; empty for any other sink."""
    if settings.type not in ("slack", "notify"):
        return ""

    events, escape = [json.loads(event.body)], "slack" if settings.type == "slack" else "text"

    def made(source: str | None) -> tuple[str | None, Text]:
        text, message = told(None if source is None else Template(source, escape=escape), events, datetime.now(UTC))
        return text, plain(message)

    body, built_in = made(settings.options.template)
    title, _ = made(getattr(settings.options, "title_template", None))
    if settings.type == "slack" and body is not None:
        return body
    return f"{title or built_in.title}\n\n{body or built_in.body}"


def _show(text: str, *, err: bool) -> None:
    if text:
        click.echo(_fit(text), err=err)


def _fit(text: str) -> str:
    """`text`, of as many lines, without secrets and without what a terminal would act on."""
    return "\n".join(map(printable, redact(text).split("\n")))
