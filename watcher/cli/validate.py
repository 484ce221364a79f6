"""`validate`: whether the configuration is valid, and how many API calls it needs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.text import Text

from watcher.cli.options import config_option, examples, json_option, load_config
from watcher.cli.output.console import GOOD, WARNING, Table, print_json, print_table
from watcher.core.capacity import EndpointLoad, load_to_json, trail_dollars
from watcher.core.model import for_people, rfc3339
from watcher.core.mutes import Mute
from watcher.messages.phrases import counted
from watcher.util.clock import SystemClock
from watcher.util.redaction import printable, redact
from watcher.util.units import format_duration


@click.command(epilog=examples("watcher validate", "watcher validate --config prod.yaml --json"))
@config_option
@json_option
def validate(config: str | None, *, as_json: bool) -> int:
    """Validate the configuration and show how many API calls it needs.

    For each account, region and API, shows the calls a second that the polling intervals need, how many `rate_limit`
    allows, and what each further CloudTrail trail costs a month: the first copy of management events is free. If
    `rate_limit` allows too few calls, shows the shortest interval that is possible. Warns if another type of sink
    would do better. Shows the mutes, and whether each applies now.
    """
    settings = load_config(config)
    report = settings.loads
    now = SystemClock().now()
    advice = [f"{sink.name}: {each}" for sink in settings.sinks for each in sink.options.advice()]
    if as_json:
        print_json(
            {
                "config": settings.place,
                "targets": len(settings.targets),
                "rules": len(settings.discover),
                "http": settings.http and settings.http.url,
                "endpoints": [
                    {**asdict(load.endpoint), "targets": load.targets, **load_to_json(load)} for load in report
                ],
                "mutes": [_mute_to_json(mute, now) for mute in settings.mutes],
                "warnings": advice,
            }
        )
    else:
        if report:
            print_table(_table(report))
        targets, rules = counted(len(settings.targets), "target"), counted(len(settings.discover), "rule")
        more = f", and those that {rules} of `discover` will find, not counted here" if settings.discover else ""
        click.echo(f"{settings.place} is valid: {targets}{more}.")
        where = f"will be served at {settings.http.url}" if settings.http else "are not served: `http` is off"
        click.echo(f"The status page, health checks and metrics {where}.")
        for mute in settings.mutes:
            click.echo(printable(redact(f"Mute of {_what(mute)}: {_when(mute, now)}.")))
        for each in advice:
            click.echo(f"Warning: sink {printable(each)}.")
    return 0


def _table(report: Sequence[EndpointLoad]) -> Table:
    table = Table("ENDPOINT", "TARGETS", "CALLS/S", "LIMIT", "TRAIL/MONTH", "")
    for load in report:
        if load.kept_interval is None:
            note = Text("within the limit", GOOD)
        else:
            kept = format_duration(max(0.1, round(load.kept_interval, 1)))
            note = Text(f"over the limit: the shortest interval will be {kept}", WARNING)
        if load.repositories:
            without = f"{load.asked_without:.3g} calls/s, {_price(load.asked_without)}"
            note.append(f"; without polling by repository: {without}")
        table.add_row(
            printable(str(load.endpoint)),
            str(load.targets), f"{load.asked:.3g}", f"{load.allowed:g}", _price(load.asked), note,
        )  # fmt: skip
    return table


def _price(calls_per_second: float) -> str:
    """The price of a trail for a month: `$2.63`, or `$1,234` if it is high."""
    dollars = trail_dollars(calls_per_second)
    return f"${dollars:,.0f}" if dollars >= 100 else f"${dollars:.2f}"


def _what(mute: Mute) -> str:
    """What a mute holds back: `prod/* (watcher.sync.*), "planned maintenance"`."""
    events = f" ({', '.join(mute.events)})" if mute.events else ""
    reason = f', "{mute.reason}"' if mute.reason else ""
    return f"{', '.join(mute.targets or ('*',))}{events}{reason}"


def _when(mute: Mute, now: datetime) -> str:
    """When a mute applies: `sat and sun, 22:00 to 06:00 (Europe/Berlin); it applies now, until …`."""
    bounds = (("from", mute.start), ("until", mute.until))
    period = " ".join(f"{word} {for_people(moment)}" for word, moment in bounds if moment is not None)
    applies = "it does not apply now"
    if mute.applies_at(now):
        over = mute.over_at(now)
        applies = "it applies now" if over is None else f"it applies now, until {for_people(over)}"
    return "; ".join(filter(None, (period, str(mute.when or ""), applies)))


def _mute_to_json(mute: Mute, now: datetime) -> dict[str, Any]:
    applies = mute.applies_at(now)
    over = mute.over_at(now) if applies else None
    return {
        "targets": list(mute.targets),
        "events": list(mute.events),
        "reason": mute.reason and redact(mute.reason),
        "window": mute.when and str(mute.when),
        "applies": applies,
        "until": over and rfc3339(over),
    }
