"""How the tests read a configuration: the real way, with made-up surroundings."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pytest

from watcher.cli.configuration import parse
from watcher.config import window_model
from watcher.config.document import Document
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from watcher.core.settings import Config
    from watcher.errors import Fault

# The names of all time zones are read from 600 files, for each name that is unknown.
window_model.available_timezones = cache(window_model.available_timezones)

SURROUNDINGS = {"AWS_REGION": "us-east-1"}
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.fixture
def read() -> Callable[..., Config]:
    """Read a configuration's text at `NOW`; the region is us-east-1 unless `environ` says otherwise."""

    def from_text(text: str | bytes, environ: Mapping[str, str] = SURROUNDINGS, **profiles: str) -> Config:
        raw = text if isinstance(text, bytes) else text.encode()
        return parse(Document("watcher.yaml", raw), environ, lambda name: profiles.get(name or "default"), NOW)

    return from_text


@pytest.fixture
def faults(read: Callable[..., Config]) -> Callable[..., list[Fault]]:
    """The faults of a configuration's text; none when it is right."""

    def of_text(text: str | bytes, environ: Mapping[str, str] = SURROUNDINGS, **profiles: str) -> list[Fault]:
        try:
            read(text, environ, **profiles)
        except ConfigError as error:
            return list(error.faults)
        return []

    return of_text
