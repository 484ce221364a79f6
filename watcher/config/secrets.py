"""Finds the secret values of a configuration, and the secret parts of a URL, so that they can be hidden."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from urllib.parse import unquote, unquote_plus, urlsplit

from pydantic import BaseModel, SecretStr

from watcher.core.heartbeat import REASON
from watcher.core.settings import Config
from watcher.core.sink_settings import SinkOptions

MIN_HEADER_LENGTH = 12
"""The fewest characters of a header's value that counts as a secret; the sender itself hides shorter ones, too."""


def secrets_of(config: Config) -> Iterator[str]:
    """Yield the secret values of `config`, in any part of it."""
    for part in (*config.accounts.values(), config.http, config.tracing, config.heartbeat, *config.sinks):
        yield from _secrets_in(part)
    for url in (config.heartbeat.url, config.heartbeat.fail_url) if config.heartbeat else ():
        yield from secret_parts(url.get_secret_value().replace(REASON, ""), value=8, segment=16)


def secret_parts(url: str, *, value: int, segment: int) -> Iterator[str]:
    """Yield query values of at least `value` characters and path segments of `segment`, as written and decoded.

    In a webhook's URL, often everything but the host is secret.
    """
    parts = urlsplit(url)
    for pair in parts.query.split("&"):
        name, _, text = pair.partition("=")
        text = text or name  # `?TOKEN`
        if len(text) >= value:
            yield from dict.fromkeys((text, unquote_plus(text)))
    for one in parts.path.split("/"):
        if len(one) >= segment:
            yield from dict.fromkeys((one, unquote(one)))


def _secrets_in(value: object) -> Iterator[str]:
    inner: Iterable[object] = ()
    if isinstance(value, SinkOptions):
        yield from value.secret_texts()
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif is_dataclass(value):
        inner = (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, BaseModel):
        inner = dict(value).values()
    elif isinstance(value, Mapping):
        # Headers: hiding a short and common one, `X-Env: prod`, everywhere would make messages unreadable.
        inner = (each for each in value.values() if isinstance(each, SecretStr) and len(each) >= MIN_HEADER_LENGTH)
    elif isinstance(value, list | tuple):
        inner = value
    for each in inner:
        yield from _secrets_in(each)
