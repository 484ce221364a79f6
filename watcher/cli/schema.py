"""`schema`: the JSON Schema of the configuration or of the events."""

from __future__ import annotations

import click

from watcher.config.json_schema import json_schema_text
from watcher.core.event_schema import event_schema_text


@click.command(epilog="\b\nExamples:\n  watcher schema > config/schema.json\n  watcher schema --event")
@click.option("--event", is_flag=True, help="Of the events, instead of the configuration.")
def schema(*, event: bool) -> int:
    """Print the JSON Schema of the configuration, or with --event of the events."""
    if event:
        click.echo(event_schema_text(), nl=False)
    else:
        click.echo(json_schema_text(), nl=False)
    return 0
