"""`validate` and `schema`: what is configured, what may be, and what an event looks like."""

from __future__ import annotations

import click

from watcher.cli.options import config_option, json_option, load_config


@click.command(epilog="\b\nExamples:\n  watcher validate\n  watcher validate --config prod.yaml --json")
@config_option
@json_option
def validate(config: str | None, *, as_json: bool) -> int:
    """Say what is wrong with the configuration, or what load it asks for.

    For each account, region and API: the calls a second that the intervals ask for, beside what is allowed. Where that
    is too much, the interval that will really be kept.
    """
    from watcher.cli.output import load_table, print_json, print_table  # noqa: PLC0415  the same
    from watcher.config.capacity import load_report  # noqa: PLC0415  --help needs no configuration

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


@click.command(epilog="\b\nExamples:\n  watcher schema > config/schema.json\n  watcher schema --event")
@click.option("--event", is_flag=True, help="Of the events, instead of the configuration.")
def schema(*, event: bool) -> int:
    """Print the JSON Schema of the configuration, or with --event of the events."""
    if event:
        from watcher.core.event_schema import event_schema_text  # noqa: PLC0415  only what is asked for

        click.echo(event_schema_text(), nl=False)
    else:
        from watcher.config.json_schema import json_schema_text  # noqa: PLC0415  the same

        click.echo(json_schema_text(), nl=False)
    return 0
