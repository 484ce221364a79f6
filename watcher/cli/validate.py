"""`validate`: whether the configuration is valid, and the load that it asks for."""

from __future__ import annotations

import click

from watcher.cli.configuration import load_config
from watcher.cli.options import config_option, json_option
from watcher.cli.output import load_table, print_json, print_table
from watcher.config.capacity import load_report


@click.command(epilog="\b\nExamples:\n  watcher validate\n  watcher validate --config prod.yaml --json")
@config_option
@json_option
def validate(config: str | None, *, as_json: bool) -> int:
    """Validate the configuration and show the load that it asks for.

    For each account, region and API: the calls a second that the intervals ask for, beside what is allowed. Where that
    is too much, the interval that will really be kept.
    """
    settings = load_config(config)
    report = load_report(settings)
    if as_json:
        print_json(
            {
                "config": settings.place,
                "targets": len(settings.targets),
                "http": settings.http and settings.http.url,
                "endpoints": [
                    {
                        "account": load.endpoint.account,
                        "region": load.endpoint.region,
                        "api": load.endpoint.api.value,
                        "targets": load.targets,
                        "requests_per_second": round(load.asked, 6),
                        "allowed": load.allowed,
                        "kept_interval_seconds": None if load.kept_interval is None else round(load.kept_interval, 3),
                    }
                    for load in report
                ],
            }
        )
    else:
        print_table(load_table(report))
        click.echo(f"{settings.place} is valid: {len(settings.targets)} targets.")
        where = f"served at {settings.http.url}" if settings.http else "not served: `http` is off"
        click.echo(f"The status page, health and metrics are {where}.")
    return 0
