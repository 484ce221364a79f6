"""`validate`: whether the configuration is valid, and how many API calls it needs."""

from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text

from watcher.cli.options import config_option, examples, json_option, load_config
from watcher.cli.output.console import GOOD, WARNING, Table, print_json, print_table
from watcher.core.capacity import EndpointLoad, load_to_json, trail_dollars
from watcher.messages.phrases import counted
from watcher.util.redaction import printable
from watcher.util.units import format_duration


@click.command(epilog=examples("watcher validate", "watcher validate --config prod.yaml --json"))
@config_option
@json_option
def validate(config: str | None, *, as_json: bool) -> int:
    """Validate the configuration and show how many API calls it needs.

    For each account, region and API, shows the calls a second that the polling intervals need, how many `rate_limit`
    allows, and what each further CloudTrail trail costs a month: the first copy of management events is free. If
    `rate_limit` allows too few calls, shows the shortest interval that is possible. Warns if another type of sink
    would do better.
    """
    settings = load_config(config)
    report = settings.loads
    advice = [f"{sink.name}: {each}" for sink in settings.sinks for each in sink.options.advice()]
    if as_json:
        print_json(
            {
                "config": settings.place,
                "targets": len(settings.targets),
                "rules": len(settings.discover),
                "http": settings.http and settings.http.url,
                "endpoints": [_to_json(load) for load in report],
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


def _to_json(load: EndpointLoad) -> dict[str, Any]:
    """Return an endpoint's load as `validate --json` prints it."""
    return {
        "account": load.endpoint.account,
        "region": load.endpoint.region,
        "api": load.endpoint.api,
        "targets": load.targets,
        **load_to_json(load),
    }
