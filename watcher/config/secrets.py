"""Every secret value of a configuration, so that it can be hidden wherever it turns up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretStr

from watcher.core.settings import Account, Http, SinkOptions, SinkSettings, Tracing

if TYPE_CHECKING:
    from watcher.core.settings import Config

MIN_HEADER_LENGTH = 12
"""Characters of a header's value from which it counts as a secret; the sender itself hides shorter ones, too."""


def secrets_of(config: Config) -> Iterator[str]:
    """The values of `config` that are held as secrets: whatever is added to the parts below is found too."""
    for part in (*config.accounts.values(), config.http, config.tracing, *config.sinks):
        yield from _held(part)


def _held(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
        return
    if isinstance(value, SinkOptions):
        yield from value.secret_texts()
    inner: Iterator[object] = iter(())
    if isinstance(value, Account | Http | SinkSettings | Tracing):
        inner = (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, BaseModel):
        inner = (each for _, each in value)
    elif isinstance(value, Mapping):
        # Headers: hiding a short and common one, `X-Env: prod`, everywhere would make messages unreadable.
        inner = (each for each in value.values() if isinstance(each, SecretStr) and len(each) >= MIN_HEADER_LENGTH)
    elif isinstance(value, list | tuple):
        inner = iter(value)
    for each in inner:
        yield from _held(each)
