"""User-defined templates: jinja2, sandboxed, strict and bounded, with every text from AWS escaped."""

import json
import traceback
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from jinja2 import Template as Compiled
from jinja2 import TemplateError, TemplateSyntaxError

from watcher.messages.budget import Budget, within
from watcher.messages.compose import message_for
from watcher.messages.message import Message
from watcher.messages.samples import SAMPLES_NOW, samples
from watcher.messages.sandbox import Fields, Values, environment, shown
from watcher.messages.sanitize import BODY_ESCAPES, ESCAPES, for_text, one_line
from watcher.messages.syntax import parsed

MAX_SOURCE, MAX_OUTPUT = 16_384, 16_384
"""Characters of a template, and of the text that it renders."""

MAX_TEXT, MAX_ITEMS = 1_000, 50
"""Characters of each text, and members of each mapping or list, that a template gets of an event.

Of a longer list it gets the last by time: how an attempt ended is more important than how it began.
"""


class BadTemplateError(ValueError):
    """A template cannot be used, or not for these events; the message is one line, with the line of the template."""


class Template:
    """A compiled template; `escape` is where its text is shown, one of `sanitize.ESCAPES` or `BODY_ESCAPES`.

    Raises:
        BadTemplateError: it is not a template, is too long, or uses a part of jinja2 that is not allowed.
    """

    def __init__(self, source: str, *, escape: str) -> None:
        self._escape = escape
        self._compiled = _compiled(source, escape)

    def render(self, events: Sequence[Mapping[str, Any]], message: Message) -> str:
        """Return the template's text for `events`, at least one, and their built-in message.

        Call it in a thread: it takes as long as its budget allows.

        Raises:
            BadTemplateError: a name is undefined, a limit is exceeded, the text is empty, or must be JSON and is not.
        """
        given = [_event(event, self._escape) for event in events]
        text_for_people = _message(message, self._escape)
        with _ONE_AT_A_TIME:
            text = _rendered(self._compiled, given, text_for_people, Budget())
        _refuse_invalid(text, self._escape)
        return text


@lru_cache(maxsize=500)
def _compiled(source: str, escape: str) -> Compiled:
    """Compile `source`; cached, since sinks may share a template, and each is checked before it is used."""
    if len(source) > MAX_SOURCE:
        raise BadTemplateError(f"line 1: the template is longer than {MAX_SOURCE} characters")
    used = _ENVIRONMENTS.get(escape, _ENVIRONMENT)
    try:
        return Compiled.from_code(used, used.compile(parsed(used, source)), {})
    # Beside jinja2's own errors: those of Python's compiler for too deep a nesting.
    except (TemplateError, SyntaxError, RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise BadTemplateError(_one_line(error)) from None


def _rendered(template: Compiled, events: Sequence[Any], message: Any, budget: Budget) -> str:
    parts: list[str] = []
    room = MAX_OUTPUT
    try:
        with within(budget):
            for part in template.generate(events=Values(events), event=events[0], message=message):
                parts.append(part)
                room -= len(part)
                if room < 0:
                    break
    except Exception as error:  # noqa: BLE001  whatever a template does wrong
        raise BadTemplateError(_one_line(error)) from None
    text = "".join(parts).strip()
    if not text:
        raise BadTemplateError("line 1: the rendered text is empty")
    if room < 0:
        raise BadTemplateError(f"line 1: the rendered text is longer than {MAX_OUTPUT} characters")
    return text


def _refuse_invalid(text: str, escape: str) -> None:
    """Raise BadTemplateError if `text` must be JSON and is not (RFC 8259, which knows no NaN)."""
    if escape != "json":
        return
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"at its line {error.lineno}, column {error.colno}"
        raise BadTemplateError(f"the rendered text is not JSON: {error.msg} {where}") from None
    except (ValueError, RecursionError) as error:
        raise BadTemplateError(f"the rendered text is not JSON: {one_line(error, 100)}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _event(event: Mapping[str, Any], escape: str) -> Any:
    """Return an event as a template gets it: in a body, its texts are data, which are not escaped beforehand."""
    return _harmless(event, ESCAPES.get(escape, str))


def _message(message: Message, escape: str) -> Any:
    """Return a message as a template gets it: people read it, in a chat for example, even if it is sent in a body."""
    return _harmless(asdict(message), ESCAPES.get(escape, for_text))


def _harmless(value: Any, escape: Callable[[str], str]) -> Any:
    """Return `value` with each text in it as one escaped line."""
    match value:
        case str():
            return escape(one_line(value, MAX_TEXT))
        case dict():
            # A URL consists of characters that need no escape.
            return Fields({_harmless(key, escape): item if key == "url" else _harmless(item, escape)
                           for key, item in list(value.items())[:MAX_ITEMS]})  # fmt: skip
        case list() | tuple():
            return Values(_harmless(item, escape) for item in _last(value))
    return value


def check(source: str, *, escape: str, types: Container[str]) -> str | None:
    """Return what is wrong with a template, in one line; None if it renders events of `types`.

    It is tried with a sample of each type and, unless it makes a body, with a group; together they have the budget of
    one rendering.
    """
    try:
        compiled = _compiled(source, escape)
    except BadTemplateError as error:
        return str(error)
    budget = Budget()
    every = [sample for sample in _samples(escape) if sample[0]["type"] in types]
    groups = [[sample] for sample in every] + ([every[:3]] if escape in ESCAPES else [])
    for group in filter(None, groups):
        events, given, (message, *others) = zip(*group, strict=True)
        if others:
            message = _message(message_for(events, SAMPLES_NOW), escape)
        try:
            _refuse_invalid(_rendered(compiled, given, message, budget), escape)
        except BadTemplateError as error:
            return f"{error} (with a sample of {events[0]['type']})"
    return None


@cache
def _samples(escape: str) -> tuple[tuple[dict[str, Any], Any, Any], ...]:
    """Return each sample, with it and its message as templates get them; cached, since all templates are tried."""
    return tuple(
        (sample, _event(sample, escape), _message(message_for([sample], SAMPLES_NOW), escape)) for sample in samples()
    )


def render_or_built_in(
    template: Template | None, events: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[str | None, Message]:
    """Return the template's text, if there is a template, and the built-in message as of `now`.

    If the template fails, there is no text, and the message has a note about it: the event must not be lost.
    """
    message = message_for(events, now)
    if template is None:
        return None, message
    try:
        return template.render(events, message), message
    except BadTemplateError as error:
        note = one_line(f"The sink's template failed, so this is the built-in message: {error}", 400)
        return None, replace(message, note=f"{message.note}. {note}")


def _writer(escape: Callable[[str], str]) -> Callable[[Any], str]:
    """Return how a value is written into a body: `true`, as in JSON, rather than Python's `True`."""
    return lambda value: str(value).lower() if isinstance(value, bool) else escape(shown(value))


def _last(items: Sequence[Any]) -> Sequence[Any]:
    """Return the last `MAX_ITEMS` by their time, in the order of the list."""
    if len(items) <= MAX_ITEMS:
        return items
    times = [str(item.get("time", "")) if isinstance(item, dict) else "" for item in items]
    kept = sorted(range(len(items)), key=times.__getitem__)[-MAX_ITEMS:]
    return [items[index] for index in sorted(kept)]


def _one_line(error: BaseException) -> str:
    """Return an error as one line that begins with the line of the template."""
    if isinstance(error, TemplateSyntaxError):
        return f"line {error.lineno}: {one_line(error.message or '', 300)}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == "<template>"), 1)
    what = "it is nested too deeply" if isinstance(error, SyntaxError | RecursionError | MemoryError) else str(error)
    what = what.replace(f"'{Fields.__module__}.{Fields.__name__} object'", "this mapping")
    return f"line {line}: {one_line(what or type(error).__name__, 300)}"


_ENVIRONMENT = environment()
"""For texts, whose values are escaped beforehand."""

_ENVIRONMENTS = {name: environment(_writer(escape)) for name, escape in BODY_ESCAPES.items()}
"""For bodies, whose values are escaped where they are written, so that filters compute with them as they are."""

_ONE_AT_A_TIME = Lock()
"""Held while a template is rendered: many threads that compute would slow down the event loop."""
