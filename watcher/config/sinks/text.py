"""Messages for people: to Slack, and by apprise to chat, mail and pagers."""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo, field_validator

from watcher.config.fields import (
    DURATION_SCHEMA,
    HTTP_URL,
    Duration,
    duration_from,
    http_url,
    lasting,
    meant_as_text,
    printable,
    text_schema,
)
from watcher.config.sinks.base import ROUTABLE, Sink
from watcher.config.sinks.http import HttpSink
from watcher.config.tree import Text
from watcher.core.routing import why_not
from watcher.core.settings import SinkSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_SCHEME = re.compile(r"[a-z][a-z0-9]{1,19}")

GroupWait = Annotated[float, PlainValidator(duration_from(0, 600, zero=True)), DURATION_SCHEMA]


def _template(escape: Literal["slack", "text"]) -> Callable[[object, ValidationInfo], str]:
    def read(value: object, info: ValidationInfo) -> str:
        source = meant_as_text(value)
        if not source:
            raise ValueError("this must not be empty")
        from watcher.messages.template import check  # noqa: PLC0415  jinja2 is loaded for those who use it

        if wrong := check(str(source), escape=escape, types=_routed(info)):
            raise ValueError("this template, as filled in, cannot be used" if source.filled else wrong)
        return str(source)

    return read


def _routed(info: ValidationInfo) -> list[str]:
    """The types of events that the sink can get; none when what says so is wrong, so that nothing follows from it."""
    if not {"events", "min_severity"} <= info.data.keys():
        return []
    routing = SinkSettings("", "", tuple(info.data["events"]), min_severity=info.data["min_severity"])
    return [each for each in ROUTABLE if why_not(routing, each, "", {}) is None]


def _slack_url(value: object) -> SecretStr:
    return SecretStr(http_url(value, example="https://hooks.slack.com/services/…", secret=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what apprise says while it loads and looks at URLs: its log repeats what is in them."""
    log = logging.getLogger("apprise")
    was, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = was


def _apprise() -> ModuleType | None:
    """The library, or None where the extra is not installed; slow to load, so only here."""
    with _quiet(), suppress(ImportError):
        return import_module("apprise")
    return None


def _apprise_url(value: object) -> SecretStr:
    text = printable(value, secret=True)
    apprise = _apprise()
    if apprise is None:
        return SecretStr(text)  # said at the sink's `type`
    with _quiet():
        if apprise.Apprise.instantiate(text) is not None:
            return SecretStr(text)
        scheme = text[: max(0, text.find("://"))].lower()
        known = scheme in apprise.NotificationManager()
    if known:
        raise ValueError(
            f"apprise cannot use this {scheme}:// URL: a part of it is missing or not of its form, or apprise needs a "
            "further package for it"
        )
    shown = f" {scheme}://" if _SCHEME.fullmatch(scheme) and not (isinstance(value, Text) and value.filled) else ""
    raise ValueError(f"apprise knows no service of this{shown} URL; it must be one of its own, such as mailto://…")


class TextSink(Sink):
    """A sink that people read."""

    group_wait: GroupWait = Field(default=0.0, examples=["30s"], json_schema_extra={"default": "0s"})
    """How long an event waits for others of the same cause, to be told of in one message; 10m at most."""


class SlackSink(HttpSink, TextSink):
    """Messages by a Slack incoming webhook."""

    type: Literal["slack"]
    """What the sink is."""
    url: Annotated[SecretStr, PlainValidator(_slack_url), text_schema(HTTP_URL)] = Field(examples=["${SLACK_URL}"])
    """The incoming webhook's URL. A secret: take it from a variable."""
    template: Annotated[str, PlainValidator(_template("slack")), text_schema(minLength=1)] | None = None
    """The message's text (jinja2), instead of the one that is built in."""


class NotifySink(TextSink):
    """Messages by apprise to chat, mail and pagers; needs the extra `notify`."""

    type: Literal["notify"]
    """What the sink is."""
    urls: list[Annotated[SecretStr, PlainValidator(_apprise_url), text_schema(minLength=1)]] = Field(
        min_length=1, examples=[["${APPRISE_URL}"]]
    )
    """Apprise URLs, such as mailto://… or pagerduty://…. Secrets: take them from variables."""
    template: Annotated[str, PlainValidator(_template("text")), text_schema(minLength=1)] | None = None
    """The message's text (jinja2), instead of the one that is built in."""
    title_template: Annotated[str, PlainValidator(_template("text")), text_schema(minLength=1)] | None = None
    """The message's title (jinja2), instead of the one that is built in."""
    timeout: Duration = lasting("30s")
    """For one message, in all."""

    @field_validator("type")
    @classmethod
    def _installed(cls, value: str) -> str:
        if _apprise() is None:
            raise ValueError("a notify sink needs apprise, an extra; install it: pip install 'watcher[notify]'")
        return value
