"""Every secret value of a configuration, so that it can be hidden wherever it turns up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretStr

from watcher.config.sinks.text import SlackSink
from watcher.config.sinks.webhook import WebhookSink
from watcher.config.urls import secret_parts
from watcher.core.settings import Account, Http, SinkSettings, Tracing

if TYPE_CHECKING:
    from watcher.core.settings import Config

TOKEN = 12
"""Letters from which on a header's value is taken for a secret; what sends it hides every one of them."""

VALUE, SEGMENT = 8, 16
"""Letters from which on what a URL of a webhook has in its query or its path is; shorter ones are the sink's, too."""


def secrets_of(config: Config) -> Iterator[str]:
    """The values of `config` that are held as secrets: whatever is added to the parts below is found too."""
    for part in (*config.accounts.values(), config.http, config.tracing, *config.sinks):
        yield from _held(part)


def _held(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
        return
    if isinstance(value, SlackSink):
        yield from secret_parts(value.url.get_secret_value(), value=VALUE, segment=SEGMENT)
    elif isinstance(value, WebhookSink):
        yield from secret_parts(value.url, value=VALUE, segment=SEGMENT)
    inner: Iterator[object] = iter(())
    if isinstance(value, Account | Http | SinkSettings | Tracing):
        inner = (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, BaseModel):
        inner = (each for _, each in value)
    elif isinstance(value, Mapping):
        # Headers: hiding a short and common one, `X-Env: prod`, everywhere would make messages unreadable.
        inner = (each for each in value.values() if isinstance(each, SecretStr) and len(each) >= TOKEN)
    elif isinstance(value, list | tuple):
        inner = iter(value)
    for each in inner:
        yield from _held(each)
