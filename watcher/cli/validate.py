"""`validate`: whether the configuration is valid, and how many API calls it needs."""

from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text

from watcher.cli.options import config_option, examples, json_option, load_config
from watcher.cli.output.console import GOOD, WARNING, Table, print_json, print_table
from watcher.config.capacity import EndpointLoad, load_report
from watcher.messages.phrases import counted
from watcher.util.redaction import printable
from watcher.util.units import format_duration


@click.command(epilog=examples("watcher validate", "watcher validate --config prod.yaml --json"))
@config_option
@json_option
def validate(config: str | None, *, as_json: bool) -> int:
    """Validate the configuration and show how many API calls it needs.

    For each account, region and API, shows the calls a second that the polling intervals need, and how many
    `rate_limit` allows. If it allows too few, shows the shortest interval that is possible.
    """
    settings = load_config(config)
    report = load_report(settings)
    if as_json:
        print_json(
            {
                "config": settings.place,
                "targets": len(settings.targets),
                "http": settings.http and settings.http.url,
                "endpoints": [_to_json(load) for load in report],
            }
        )
    else:
        print_table(_table(report))
        click.echo(f"{settings.place} is valid: {counted(len(settings.targets), 'target')}.")
        where = f"will be served at {settings.http.url}" if settings.http else "are not served: `http` is off"
        click.echo(f"The status page, health checks and metrics {where}.")
    return 0


def _table(report: Sequence[EndpointLoad]) -> Table:
    table = Table("ENDPOINT", "TARGETS", "CALLS/S", "LIMIT", "")
    for load in report:
        if load.kept_interval is None:
            note = Text("within the limit", GOOD)
        else:
            kept = format_duration(max(0.1, round(load.kept_interval, 1)))
            note = Text(f"over the limit: the shortest interval will be {kept}", WARNING)
        table.add_row(
            printable(str(load.endpoint)),
            str(load.targets), f"{load.asked:.3g}", f"{load.allowed:g}", note,
        )  # fmt: skip
    return table


def _to_json(load: EndpointLoad) -> dict[str, Any]:
    """Return an endpoint's load as `validate --json` prints it."""
    return {
        "account": load.endpoint.account,
        "region": load.endpoint.region,
        "api": load.endpoint.api,
        "targets": load.targets,
        "requests_per_second": round(load.asked, 6),
        "allowed": load.allowed,
        "kept_interval_seconds": None if load.kept_interval is None else round(load.kept_interval, 3),
    }
