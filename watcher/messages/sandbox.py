"""The jinja2 environment of templates, in which every operation costs steps and none takes long.

A rendering has a budget of steps. Loops, filters, tests, attributes and operators are charged by the size of their
operands before they run, and by the size of their results. Operands stay small: texts have a maximum length, and lists
and mappings can be neither compared nor shown as a whole, since a list that contains another one many times is small in
memory but takes very long to traverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from itertools import chain
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, Undefined, filters, pass_environment, tests
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.messages.budget import BUDGET
from watcher.messages.syntax import CHARGED, CONCAT, EACH, FILTERS, TESTS

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context

MAX_TEXT = 16_384
"""Characters of any text that a template computes."""

_CHARACTERS_PER_STEP = 32
"""Characters that cost one step."""

_MAX_NUMBER = 10**15
"""The largest number that operators accept; powers and products of larger ones would fill the memory."""

_MAX_ARGUMENT = 100
"""Characters of a text that `int` and `float` read, and of the argument of `trim`."""


class _Whole:
    """A list or a mapping that can be neither compared nor shown as a whole; its members can be used."""

    def _refuse(self, other: object) -> bool:
        if isinstance(other, list | tuple | dict):
            raise TemplateError("lists and mappings cannot be compared; compare their members")
        return False

    def __ne__(self, other: object) -> bool:
        return not self._refuse(other)

    def __repr__(self) -> str:
        return shown(self)

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = None  # type: ignore[assignment]  # as of every list and mapping


class Values(_Whole, list[Any]):
    """A list in a template."""


class Fields(_Whole, dict[str, Any]):
    """A mapping in a template."""


class _Environment(ImmutableSandboxedEnvironment):
    """jinja2's sandbox, with charged attributes and operators and without arithmetic that fills the memory."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return _paid(super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _paid(super().getitem(obj, argument))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute with numbers up to `_MAX_NUMBER`; of texts, only the sum."""
        BUDGET.get().spend(_weight(left) + _weight(right))
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _short(left + right)
        if not all(isinstance(side, int | float) and abs(side) <= _MAX_NUMBER for side in (left, right)):
            raise TemplateError(f"'{operator}' is for numbers, up to {_MAX_NUMBER:.0e}; join texts with '~'")
        return super().call_binop(context, operator, left, right)


def _weight(value: Any) -> int:
    """Return the steps that `value` costs: one, one for each of its members, and those of the text in it."""
    if isinstance(value, str):
        return 1 + len(value) // _CHARACTERS_PER_STEP
    if isinstance(value, list | tuple | dict):
        return 1 + sum(1 + (len(item) // _CHARACTERS_PER_STEP if isinstance(item, str) else 0) for item in value)
    return 1


def _paid(value: Any) -> Any:
    BUDGET.get().spend(_weight(value) if isinstance(value, str) else 1)
    return value


def _short(text: str) -> str:
    _refuse_long(len(text))
    return text


def _refuse_long(characters: int) -> None:
    if characters > MAX_TEXT:
        raise TemplateError(f"a text has more than {MAX_TEXT} characters")


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Charge `function`, a filter or a test, for its arguments and its result; a lazy result becomes a list."""
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)  # keeps jinja2's mark for filters that take the environment as their first argument
    def call(*args: Any, **options: Any) -> Any:
        BUDGET.get().spend(sum(map(_weight, chain(args[first:], options.values()))))
        return _bounded(function(*args, **options))

    return call


def _bounded(made: Any) -> Any:
    if isinstance(made, str):
        return _short(made)
    if isinstance(made, list) or hasattr(made, "__next__"):
        return Values(map(_paid, map(_member, made)))
    return made


def _member(item: Any) -> Any:
    """Return `item` of a list; the list of a group (`groupby`) becomes `Values`, like every list."""
    return type(item)(item.grouper, Values(item.list)) if hasattr(item, "grouper") else item


def shown(value: Any) -> str:
    """Return a value as text.

    Raises:
        TemplateError: it is a list or a mapping.
    """
    if value is None:
        return ""
    if isinstance(value, Undefined | str | int | float):
        return str(value)
    kind = "mapping" if isinstance(value, dict) else "list" if isinstance(value, list) else type(value).__name__
    raise TemplateError(f"a {kind} cannot be shown as a whole; show its members")


def _each(values: Iterable[Any], steps: int) -> list[Any]:
    """Return the items of a loop; `steps`: the cost of one pass."""
    if isinstance(values, str):
        raise TemplateError("a loop needs a list, not a text")
    budget, found = BUDGET.get(), []
    for value in values:
        budget.spend(max(1, steps))
        found.append(value)
    return found


@pass_environment
def _join(environment: Environment, values: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        values = map(filters.make_attrgetter(environment, attribute), values)
    return _joined(values, shown(d))


def _joined(values: Iterable[Any], between: str = "") -> str:
    parts, length = [], 0
    for value in values:
        parts.append(shown(value))
        length += len(parts[-1]) + len(between)
        _refuse_long(length)
    return between.join(parts)


def _replace(text: object, old: str, new: str) -> str:
    text = shown(text)
    _refuse_long(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _round(number: float, precision: int = 0) -> float:
    return round(number, max(0, min(precision, 9)))


def _trim(value: object, chars: str | None = None) -> str:
    if chars is not None and len(chars) > _MAX_ARGUMENT:
        raise TemplateError(f"the argument of trim may have at most {_MAX_ARGUMENT} characters")
    return filters.do_trim(shown(value), chars)


def _numeral(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let `function` (`int` or `float`) return its default for a text that is too long to be a number."""

    @wraps(function)
    def call(value: Any, default: float = 0, *args: int) -> Any:
        return default if isinstance(value, str) and len(value) > _MAX_ARGUMENT else function(value, default, *args)

    return call


def _of_numbers(test: Callable[..., bool]) -> Callable[..., bool]:
    """Let `test` accept numbers only: it computes with `%`, which would format a text."""

    @wraps(test)
    def call(*numbers: Any) -> bool:
        if not all(isinstance(number, int | float) for number in numbers):
            raise TemplateError("only a number is odd, even or divisible")
        return test(*numbers)

    return call


def environment(write: Callable[[Any], str] = shown) -> _Environment:
    """Return an environment with the filters and tests that `syntax` allows, each charged; `write`: a value as text."""
    made = _Environment(undefined=StrictUndefined, autoescape=False, finalize=write, optimized=False)
    own: dict[str, Callable[..., Any]] = {
        CONCAT: _joined, CHARGED: lambda value: value, "join": _join, "replace": _replace, "round": _round,
        "string": shown, "trim": _trim, "int": _numeral(filters.do_int), "float": _numeral(filters.do_float),
    }  # fmt: skip
    known: dict[str, Any] = tests.TESTS  # jinja2 has no type for them
    tested = {name: known[name] for name in TESTS}
    tested |= {name: _of_numbers(tested[name]) for name in ("odd", "even", "divisibleby")}
    filtering: dict[str, Callable[..., Any]] = {name: filters.FILTERS[name] for name in FILTERS} | own
    made.filters = {name: _charged(each) for name, each in filtering.items()} | {EACH: _each}
    made.tests = {name: _charged(each) for name, each in tested.items()}
    made.globals = {}
    return made
