"""`schema`: the JSON Schema of the configuration or of the events."""

import click

from watcher.cli.options import examples
from watcher.config.json_schema import json_schema_text
from watcher.core.event_schema import event_schema_text
from watcher.sinks import SINKS
from watcher.sources import KINDS


@click.command(epilog=examples("watcher schema > config/schema.json", "watcher schema --event"))
@click.option("--event", is_flag=True, help="Print the schema of the events instead.")
def schema(*, event: bool) -> int:
    """Print the JSON Schema of the configuration, or of the events with --event."""
    click.echo(event_schema_text(KINDS) if event else json_schema_text(KINDS, SINKS), nl=False)
    return 0
