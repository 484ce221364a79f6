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


def load_config(option: str | None, *, may_be_empty: bool = False) -> Config:
    """Read the configuration: from `option`, WATCHER_CONFIG, WATCHER_CONFIG_YAML or watcher.yaml, in this order.

    Sets up logging to stderr, unless the command has done so with options of its own. `may_be_empty`: whether it may
    have nothing to watch, or be missing.

    Raises:
        ConfigError: the configuration is wrong or missing.
    """
    if not structlog.is_configured():
        logs.set_up()
    return read_config(find_config(option, may_be_missing=may_be_empty), may_be_empty=may_be_empty)


def read_config(document: Document, *, may_be_empty: bool = False) -> Config:
    """Parse a configuration's text, and hide its secrets in all output from now on.

    Raises:
        ConfigError: the configuration is wrong.
    """
    config = parse(document, os.environ, botocore_profile_region, may_be_empty=may_be_empty)
    remember(*secrets_of(config))
    return config


def parse(
    document: Document,
    environ: Mapping[str, str],
    profile_region: Callable[[str | None], str | None],
    now: datetime | None = None,
    *,
    may_be_empty: bool = False,
) -> Config:
    """Return the settings that `document` describes, with the registered kinds and types; see `config.parser.parse`."""
    environment = Environment(environ, profile_region, now or datetime.now(UTC))
    return parser.parse(document, environment, KINDS, SINKS, may_be_empty=may_be_empty)
