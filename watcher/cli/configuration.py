"""Reads the configuration that a command was given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from watcher.aws.profiles import botocore_profile_region
from watcher.cli.options import find_config
from watcher.config import parser
from watcher.config.accounts import Environment
from watcher.config.secrets import secrets_of
from watcher.core.settings import Config
from watcher.observability import logs
from watcher.sinks import SINKS
from watcher.sources import KINDS
from watcher.util.redaction import remember

if TYPE_CHECKING:
    from watcher.config.document import Document


def load_config(option: str | None) -> Config:
    """Read the configuration: from `option`, WATCHER_CONFIG, WATCHER_CONFIG_YAML or watcher.yaml, in this order.

    Sets up logging to stderr, unless the command has done so with options of its own.

    Raises:
        ConfigError: the configuration is wrong or missing.
    """
    if not structlog.is_configured():
        logs.set_up()
    return read_config(find_config(option))


def read_config(document: Document) -> Config:
    """Parse a configuration's text, and hide its secrets in all output from now on.

    Raises:
        ConfigError: the configuration is wrong.
    """
    config = parse(document, os.environ, botocore_profile_region)
    remember(*secrets_of(config))
    return config


def parse(
    document: Document,
    environ: Mapping[str, str],
    profile_region: Callable[[str | None], str | None],
    now: datetime | None = None,
) -> Config:
    """Return the settings that `document` describes, with the registered kinds and types; see `config.parser.parse`."""
    return parser.parse(document, Environment(environ, profile_region, now or datetime.now(UTC)), KINDS, SINKS)
