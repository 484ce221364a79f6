"""Parses the file of `watcher test`: events, and the sinks that must get them; or reports every fault in it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError

from watcher.config.document import Document, decode
from watcher.config.faults import Faults, choice, describe
from watcher.config.fields import Moment, Plain
from watcher.config.readers import single_line
from watcher.config.strict_model import Sound, StrictModel
from watcher.config.target_model import Labels
from watcher.config.tree import Items, Place, compose, is_null
from watcher.core.routing_questions import Question
from watcher.core.settings import Config
from watcher.errors import ConfigError
from watcher.sources.questions import ask, read_event_type, read_subject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoutingCase:
    """An event, and the sinks that must get it."""

    place: str
    """`FILE:LINE:COLUMN`."""
    question: Question
    expected: frozenset[str]


def parse_cases(document: Document, config: Config, now: datetime) -> tuple[RoutingCase, ...]:
    """Return the cases in a document; an event without `at` is one of `now`.

    Raises:
        ConfigError: with every fault of the document.
    """
    faults = Faults(document.name)
    tree = compose(decode(document), faults.report)
    cases: list[RoutingCase] = []
    if isinstance(tree, Items) and tree:
        try:
            for each in _CASES.validate_python(tree, context=faults):
                cases += each.cases(config, now, faults)
        except ValidationError as error:
            faults.take(tree, error)
    elif not faults.found:
        empty = tree is None or is_null(tree) or isinstance(tree, Items)
        found = "this is empty" if empty else f"this is {describe(tree)}"
        faults.report(Place(1, 1, ""), f"{found}; the file must be a list of `{{given: …, expect: […]}}`")
    if faults.found:
        raise ConfigError(faults.found)
    return tuple(cases)


def _read_by(read: Callable[[str], T]) -> PlainValidator:
    return PlainValidator(lambda value: read(single_line(value)))


class _Given(StrictModel):
    type: Annotated[str, _read_by(read_event_type)]
    target: Annotated[Any, _read_by(read_subject)]
    """A target, or an endpoint."""
    labels: Labels = Field(default={})
    at: Moment | None = None


class _Case(StrictModel):
    given: _Given
    expect: tuple[Plain, ...]

    def cases(self, config: Config, now: datetime, faults: Faults) -> list[RoutingCase]:
        """Return the case in a list; empty, with a fault, if its event cannot be or a sink does not exist."""
        names = [sink.name for sink in config.sinks]
        unknown = [number for number, name in enumerate(self.expect) if name not in names]
        for number in unknown:
            message = f"there is no sink {self.expect[number]!r}; {choice(self.written('expect', number), names)}"
            faults.report(self.place("expect", number), message)
        given = self.given
        try:
            question = ask(config, given.type, given.target, given.labels, given.at or now)
        except ValueError as error:
            faults.report(self.place("given"), str(error))
            return []
        at = self.place()
        where = f"{faults.file}:{at.line}:{at.column}"
        return [] if unknown else [RoutingCase(where, question, frozenset(self.expect))]


_CASES = TypeAdapter(tuple[Sound[_Case], ...])
