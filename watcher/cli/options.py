"""What several commands take, and how the configuration is had."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from watcher.config.settings import Config

config_option = click.option(
    "--config",
    "config",
    metavar="FILE",
    help="The configuration; else $WATCHER_CONFIG, else the YAML in $WATCHER_CONFIG_YAML, else ./watcher.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
verbose_option = click.option("--verbose", "-v", is_flag=True, help="Log more.")


def load_config(option: str | None) -> Config:
    """The configuration, from where section 2 of the contract says.

    Raises:
        ConfigError: it is wrong, or not there.
    """
    from watcher.config.document import locate  # noqa: PLC0415  --help needs no YAML
    from watcher.config.profile import botocore_profile_region  # noqa: PLC0415  the same
    from watcher.config.reading import parse  # noqa: PLC0415  the same
    from watcher.redact import remember  # noqa: PLC0415  the same

    config = parse(locate(option, os.environ, Path.cwd()), os.environ, botocore_profile_region)
    for account in config.accounts.values():
        remember(account.external_id.get_secret_value() if account.external_id else None)
    if config.http is not None and config.http.token is not None:
        remember(config.http.token.get_secret_value())
    return config
