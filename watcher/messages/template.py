"""Templates of the user's own: jinja2, sandboxed, strict and bounded, with every text from AWS escaped beforehand."""

from __future__ import annotations

import time
import traceback
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    Undefined,
    filters,
    pass_context,
    pass_environment,
    tests,
)
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.messages.clean import ESCAPES, one_line
from watcher.messages.samples import SAMPLED, samples
from watcher.messages.story import tell
from watcher.messages.syntax import BOUND, CONCAT, EACH, FILTERS, TESTS, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from datetime import datetime

    from jinja2 import Environment
    from jinja2.runtime import Context

    from watcher.messages.message import Message

SOURCE, OUTPUT, TEXT = 16_384, 16_384, 65_536
"""Characters of a template, of what it makes, and of any text on the way."""

STEPS, SECONDS = 10_000, 0.5
"""Turns of loops and uses of filters in one rendering, and how long it may take."""

VALUE, ITEMS = 1_000, 50
"""Characters of each text, and members of each mapping or list in an event, that a template is given.

Of a list these are the last by their time: how an attempt ended counts for more than how it began.
"""

_NUMBER = 10**15
"""Larger numbers are no counts; powers and products of them fill the memory."""

_BUDGET = "__budget"


class BadTemplateError(ValueError):
    """A template that cannot be used, or not for these events; the message is one line and names the template's."""


class Template:
    """A template, compiled."""

    def __init__(self, source: str, *, escape: str) -> None:
        """`escape`: where the text goes, one of `clean.ESCAPES`.

        Raises:
            BadTemplateError: it is no template, is too long, or uses what is not offered.
        """
        self._escape = ESCAPES[escape]
        if len(source) > SOURCE:
            raise BadTemplateError(f"line 1: the template is longer than {SOURCE} characters")
        try:
            code = _ENVIRONMENT.compile(parsed(_ENVIRONMENT, source))
            self._compiled = Compiled.from_code(_ENVIRONMENT, code, {})
        # Beside jinja2's own errors: what Python's compiler says of too deep a nesting.
        except (TemplateError, SyntaxError, RecursionError, MemoryError, ValueError, OverflowError) as error:
            raise BadTemplateError(_said(error)) from None

    def render(self, events: Sequence[Mapping[str, Any]], message: Message) -> str:
        """What the template makes of `events`, at least one, and of the message that is built in.

        Raises:
            BadTemplateError: a name is undefined, something is too much, or nothing comes of it.
        """
        context: dict[str, Any] = {"events": [self._harmless(event) for event in events]}
        context |= {"event": context["events"][0], "message": self._harmless(asdict(message))}
        parts: list[str] = []
        room = OUTPUT
        try:
            for part in self._compiled.generate({**context, _BUDGET: _Budget()}):
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

    def _harmless(self, value: Any) -> Any:
        """`value` with every text in it one line, escaped for where it goes."""
        match value:
            case str():
                return self._escape(one_line(value, VALUE))
            case dict():
                # An address was made of what needs no escape.
                return {self._harmless(key): item if key == "url" else self._harmless(item)
                        for key, item in list(value.items())[:ITEMS]}  # fmt: skip
            case list() | tuple():
                return [self._harmless(item) for item in _last(value)]
        return value


def check(source: str, *, escape: str, types: Container[str]) -> str | None:
    """What is wrong with a template, in one line with the template's own; None: each of these types can be told by it.

    It is tried with samples of each, and with a group. `escape`: see `Template`.
    """
    try:
        template = Template(source, escape=escape)
    except BadTemplateError as error:
        return str(error)
    every = tuple(sample for sample in samples() if sample["type"] in types)
    for events in filter(None, (*((sample,) for sample in every), every[:3])):
        try:
            template.render(events, tell(events, SAMPLED))
        except BadTemplateError as error:
            return f"{error} (with a sample of {events[0]['type']})"
    return None


def told(template: Template | None, events: Sequence[Mapping[str, Any]], now: datetime) -> tuple[str | None, Message]:
    """The template's text, if there is one, and the message that is built in, as of `now` (`story.tell`).

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


class _Budget:
    """What one rendering may still use."""

    def __init__(self) -> None:
        self._steps = STEPS
        self._until = time.monotonic() + SECONDS

    def spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0 or time.monotonic() > self._until:
            raise TemplateError(f"it takes more than {STEPS} steps, or {SECONDS:g} s")


class _Environment(ImmutableSandboxedEnvironment):
    """jinja2's sandbox, without the arithmetic that fills the memory."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers that are counts; of texts, only their sum."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _short(left + right)
        if not all(isinstance(side, int | float) and abs(side) <= _NUMBER for side in (left, right)):
            raise TemplateError(f"'{operator}' is for numbers, up to {_NUMBER:.0e}; join texts by '~'")
        return super().call_binop(context, operator, left, right)


def _shown(value: Any) -> str:
    """A value as text: what holds others has no form that a person would want to read."""
    if value is None:
        return ""
    if isinstance(value, Undefined | str | int | float):
        return str(value)
    raise TemplateError(f"a {type(value).__name__} cannot be shown as it is; show its members")


def _short(text: str) -> str:
    if len(text) > TEXT:
        raise TemplateError(f"a text grows beyond {TEXT} characters")
    return text


@pass_context
def _bound(context: Context, value: Any) -> Any:
    context[_BUDGET].spend(1)
    return _short(value) if isinstance(value, str) else value


@pass_context
def _each(context: Context, values: Iterable[Any]) -> list[Any]:
    if isinstance(values, str):
        raise TemplateError("a loop goes over a list, and this is a text")
    found: list[Any] = []
    for value in values:
        context[_BUDGET].spend(1)
        found.append(value)
    return found


def _concat(values: Iterable[Any]) -> str:
    return _join_texts(values, "")


@pass_environment
def _join(environment: Environment, values: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        values = map(filters.make_attrgetter(environment, attribute), values)
    return _join_texts(values, d)


def _join_texts(values: Iterable[Any], between: str) -> str:
    parts: list[str] = []
    room = TEXT
    for value in values:
        parts.append(_shown(value))
        room -= len(parts[-1]) + len(between)
        if room < 0:
            raise TemplateError(f"a text grows beyond {TEXT} characters")
    return between.join(parts)


def _replace(text: object, old: str, new: str) -> str:
    text = _shown(text)
    if len(text) + (text.count(old)) * len(new) > TEXT:
        raise TemplateError(f"a text grows beyond {TEXT} characters")
    return text.replace(old, new)


def _round(number: float, precision: int = 0) -> float:
    return round(number, max(0, min(precision, 9)))


def _environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, autoescape=False, finalize=_shown, optimized=False)
    own: dict[str, Callable[..., Any]] = {
        EACH: _each, CONCAT: _concat, BOUND: _bound,
        "join": _join, "replace": _replace, "round": _round, "string": _shown,
    }  # fmt: skip
    environment.filters = {name: filters.FILTERS[name] for name in FILTERS} | own
    environment.tests = {name: tests.TESTS[name] for name in TESTS}
    environment.globals = {}
    return environment


def _said(error: BaseException) -> str:
    """An error as one line that begins with the template's own line."""
    if isinstance(error, TemplateSyntaxError):
        return f"line {error.lineno}: {one_line(error.message or '', 300)}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == "<template>"), 1)
    what = "it is nested too deep" if isinstance(error, SyntaxError | RecursionError | MemoryError) else str(error)
    return f"line {line}: {one_line(what or type(error).__name__, 300)}"


_ENVIRONMENT = _environment()
