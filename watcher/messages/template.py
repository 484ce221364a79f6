"""Templates of the user's own: jinja2, sandboxed, strict and bounded, with every text from AWS escaped beforehand."""

from __future__ import annotations

import traceback
from dataclasses import asdict, replace
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from jinja2 import Template as Compiled
from jinja2 import TemplateError, TemplateSyntaxError

from watcher.messages.compose import tell
from watcher.messages.samples import SAMPLED, samples
from watcher.messages.sandbox import Budget, Fields, Values, environment, within
from watcher.messages.sanitize import ESCAPES, one_line
from watcher.messages.syntax import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from datetime import datetime

    from watcher.messages.message import Message

SOURCE, OUTPUT = 16_384, 16_384
"""Characters of a template, and of the text that it renders."""

VALUE, ITEMS = 1_000, 50
"""Characters of each text, and members of each mapping or list in an event, that a template is given.

Of a list these are the last by their time: how an attempt ended counts for more than how it began.
"""


class BadTemplateError(ValueError):
    """A template that cannot be used, or not for these events; the message is one line and names the template's."""


class Template:
    """A template, compiled."""

    def __init__(self, source: str, *, escape: str) -> None:
        """`escape`: where the text goes, one of `clean.ESCAPES`.

        Raises:
            BadTemplateError: it is not a template, is too long, or uses a part of jinja2 that is not offered.
        """
        self._escape = ESCAPES[escape]
        self._compiled = _compiled(source)

    def render(self, events: Sequence[Mapping[str, Any]], message: Message) -> str:
        """What the template makes of `events`, at least one, and of the message that is built in.

        It may take as long as its budget allows: call it in a thread.

        Raises:
            BadTemplateError: a name is undefined, something is too much, or nothing comes of it.
        """
        given = [_harmless(event, self._escape) for event in events]
        shown = _harmless(asdict(message), self._escape)
        with _ONE_AT_A_TIME:
            return _rendered(self._compiled, given, shown, Budget())


@lru_cache(maxsize=500)
def _compiled(source: str) -> Compiled:
    """`source` compiled; cached, since sinks may share a template, and each is checked before it is used.

    Raises:
        BadTemplateError: see `Template`.
    """
    if len(source) > SOURCE:
        raise BadTemplateError(f"line 1: the template is longer than {SOURCE} characters")
    try:
        return Compiled.from_code(_ENVIRONMENT, _ENVIRONMENT.compile(parsed(_ENVIRONMENT, source)), {})
    # Beside jinja2's own errors: what Python's compiler says of too deep a nesting.
    except (TemplateError, SyntaxError, RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise BadTemplateError(_said(error)) from None


def _rendered(template: Compiled, events: Sequence[Any], message: Any, budget: Budget) -> str:
    parts: list[str] = []
    room = OUTPUT
    try:
        with within(budget):
            for part in template.generate(events=Values(events), event=events[0], message=message):
                parts.append(part)
                room -= len(part)
                if room < 0:
                    break
    except Exception as error:  # noqa: BLE001  whatever a template does wrong
        raise BadTemplateError(_said(error)) from None
    text = "".join(parts).strip()
    if room < 0 or not text:
        raise BadTemplateError(
            f"line 1: more than {OUTPUT} characters come of it" if text else "line 1: nothing comes of it"
        )
    return text


def _harmless(value: Any, escape: Callable[[str], str]) -> Any:
    """`value` with every text in it one line, escaped for where it goes."""
    match value:
        case str():
            return escape(one_line(value, VALUE))
        case dict():
            # An address was made of what needs no escape.
            return Fields({_harmless(key, escape): item if key == "url" else _harmless(item, escape)
                           for key, item in list(value.items())[:ITEMS]})  # fmt: skip
        case list() | tuple():
            return Values(_harmless(item, escape) for item in _last(value))
    return value


def check(source: str, *, escape: str, types: Container[str]) -> str | None:
    """What is wrong with a template, in one line that names the template's line; None: it renders events of `types`.

    It is tried with a sample of each type and with a group; together they have the budget of one rendering. `escape`:
    see `Template`.
    """
    try:
        compiled = _compiled(source)
    except BadTemplateError as error:
        return str(error)
    budget = Budget()
    every = [sample for sample in _samples(escape) if sample[0]["type"] in types]
    for group in filter(None, (*([sample] for sample in every), every[:3])):
        events, given, messages = zip(*group, strict=True)
        message = messages[0] if len(group) == 1 else _harmless(asdict(tell(events, SAMPLED)), ESCAPES[escape])
        try:
            _rendered(compiled, given, message, budget)
        except BadTemplateError as error:
            return f"{error} (with a sample of {events[0]['type']})"
    return None


@cache
def _samples(escape: str) -> tuple[tuple[dict[str, Any], Any, Any], ...]:
    """Each sample, then it and its message as templates get them; cached, since every template is tried with them."""
    escaped = ESCAPES[escape]
    return tuple(
        (sample, _harmless(sample, escaped), _harmless(asdict(tell([sample], SAMPLED)), escaped))
        for sample in samples()
    )


def told(template: Template | None, events: Sequence[Mapping[str, Any]], now: datetime) -> tuple[str | None, Message]:
    """The template's text, if there is a template, and the built-in message as of `now` (`story.tell`).

    Where the template fails there is no text, and the message has a note that says so: the event must not be lost.
    """
    message = tell(events, now)
    if template is None:
        return None, message
    try:
        return template.render(events, message), message
    except BadTemplateError as error:
        wrong = one_line(f"The sink's template failed, so this is the text that is built in: {error}", 400)
        return None, replace(message, note=f"{message.note}. {wrong}")


def _last(items: Sequence[Any]) -> Sequence[Any]:
    """The last `ITEMS` by their time, in the order that they have; what has no time comes as it stands."""
    if len(items) <= ITEMS:
        return items
    times = [str(item.get("time", "")) if isinstance(item, dict) else "" for item in items]
    kept = sorted(range(len(items)), key=times.__getitem__)[-ITEMS:]
    return [items[index] for index in sorted(kept)]


def _said(error: BaseException) -> str:
    """An error as one line that begins with the template's own line."""
    if isinstance(error, TemplateSyntaxError):
        return f"line {error.lineno}: {one_line(error.message or '', 300)}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == "<template>"), 1)
    what = "it is nested too deep" if isinstance(error, SyntaxError | RecursionError | MemoryError) else str(error)
    return f"line {line}: {one_line(what or type(error).__name__, 300)}"


_ENVIRONMENT = environment()

_ONE_AT_A_TIME = Lock()
"""Allows one rendering at a time: many threads that compute would slow down the event loop."""
