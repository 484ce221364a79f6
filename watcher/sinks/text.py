"""The options of sinks whose messages people read: `group_wait`, and templates of the messages."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo

from watcher.config.fields import DURATION_SCHEMA, text_schema
from watcher.config.readers import duration_from, meant_as_text
from watcher.config.sink_model import ROUTABLE, SinkModel
from watcher.core.routing import why_not
from watcher.core.sink_settings import SinkSettings
from watcher.messages.message import Message
from watcher.util.threads import off_loop

GroupWait = Annotated[float, PlainValidator(duration_from(0, 600, zero=True)), DURATION_SCHEMA]


def sound_template(value: object, info: ValidationInfo, escape: str) -> str:
    """Return a template that renders every event that its sink can receive; `escape`: see `Template`.

    Raises:
        ValueError: it does not.
    """
    source = meant_as_text(value)
    if not source:
        raise ValueError("this must not be empty")
    from watcher.messages.template import check

    if wrong := check(str(source), escape=escape, types=_routed(info)):
        raise ValueError("this template, as filled in, cannot be used" if source.filled else wrong)
    return str(source)


def _routed(info: ValidationInfo) -> list[str]:
    """The types of events that the sink can receive; none if `events` or `min_severity` has a fault of its own."""
    if not {"events", "min_severity"} <= info.data.keys():
        return []
    routing = SinkSettings("", "", tuple(info.data["events"]), min_severity=info.data["min_severity"])
    return [each for each in ROUTABLE if why_not(routing, each, "", {}) is None]


SlackTemplate = Annotated[str, PlainValidator(partial(sound_template, escape="slack")), text_schema(minLength=1)]
TextTemplate = Annotated[str, PlainValidator(partial(sound_template, escape="text")), text_schema(minLength=1)]


class TextOptions(SinkModel):
    """The options of a sink whose messages people read."""

    group_wait: GroupWait = Field(default=0.0, examples=["30s"], json_schema_extra={"default": "0s"})
    """How long an event waits for others of the same cause, to share one message with them; at most 10m."""

    @property
    def max_group(self) -> int:
        """Events in one message at most."""
        return 100 if self.group_wait else 1


class Renderer:
    """Makes the texts of messages; `source` is a user's template, if there is one, `escape` where its text is shown."""

    def __init__(self, source: str | None, escape: Literal["slack", "text"]) -> None:
        from watcher.messages.template import Template, render_or_built_in

        self._has_template = source is not None
        self._text_for = partial(render_or_built_in, None if source is None else Template(source, escape=escape))

    def __call__(self, events: Sequence[Mapping[str, Any]]) -> tuple[str | None, Message]:
        """Return the template's text (None: there is no template, or it failed) and the built-in message.

        It may take seconds: see `render`.
        """
        return self._text_for(events, datetime.now(UTC))

    async def render(self, events: Sequence[Mapping[str, Any]]) -> tuple[str | None, Message]:
        """Return what a call returns; in a thread, if there is a template or more than one event."""
        if not self._has_template and len(events) == 1:
            return self(events)
        return await off_loop(lambda: self(events), "template")
