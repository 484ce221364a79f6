"""The models of a life in a scenario file: what a target shows, for how long, and which faults hide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, ValidationInfo
from pydantic_core import PydanticOmit

from watcher.config.faults import choice
from watcher.config.fields import Boolean, Count, Duration, Plain, Region
from watcher.config.readers import matching
from watcher.config.strict_model import Sound, StrictModel, faults_of
from watcher.config.tree import Keys
from watcher.core.model import FAILED
from watcher.simulator.aws_json import SERVICES
from watcher.simulator.faults import FAULTS, Fault
from watcher.simulator.operations import OPERATION_NAMES
from watcher.simulator.scenario import FaultWindow
from watcher.simulator.subject import Span
from watcher.simulator.timeline import NewAttempt, Scene, Stale, Status, Unsynced

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def one_word_of(words: tuple[str, ...]) -> AfterValidator:
    """A validator that accepts only these words."""

    def check(word: str) -> str:
        if word not in words:
            raise ValueError(choice(word, words))
        return word

    return AfterValidator(check)


AccountNumber = Annotated[str, PlainValidator(matching("^[0-9]{12}$", "account number (example: 111122223333)"))]
FaultName = Annotated[Plain, one_word_of(tuple(FAULTS))]


class Entry(StrictModel):
    """A mapping whose keys may be keywords of Python (`for`, `from`), which are aliases of its fields."""

    @classmethod
    def _is_given(cls, field: FieldInfo, value: Any) -> bool:
        return field.alias is not None or super()._is_given(field, value)


class _Lasting(Entry):
    seconds: Duration | None = Field(default=None, alias="for")
    calls: Count | None = None


class SpanEntry(Entry):
    """A time `from` a moment on, and `for` how long."""

    begin: Duration = Field(default=0.0, alias="from")
    seconds: Duration | None = Field(default=None, alias="for")

    def span(self) -> Span:
        return Span(self.begin, float("inf") if self.seconds is None else self.begin + self.seconds)


class _Unsynced(_Lasting):
    unsynced: Boolean

    def scenes(self) -> Iterator[Scene]:
        yield Scene(Unsynced(), self.seconds, self.calls)


class _Stale(_Lasting):
    stale: Count

    def scenes(self) -> Iterator[Scene]:
        yield Scene(Stale(self.stale), self.seconds, self.calls)


class _Faulty(_Lasting):
    fault: FaultName
    at: Plain = Field(default="latestSync.startedAt", alias="field")

    def scenes(self) -> Iterator[Scene]:
        yield Scene(Fault(self.fault, self.at), self.seconds, self.calls)


class _Status(_Lasting):
    status: Plain
    events: tuple[Plain, ...] = ()
    latest_successful: Annotated[Plain, one_word_of(("kept", "absent", "previous"))] = "kept"


class _Attempt(Entry):
    statuses: list[Sound[_Status]]
    commit: Plain | None = None
    branch: Plain | None = None
    repository: Plain | None = None
    started: Duration = 0.0
    recreated: Boolean = False

    def scenes(self) -> Iterator[Scene]:
        begin: NewAttempt | None = NewAttempt(self.commit, self.branch, self.repository, self.started, self.recreated)
        for each in self.statuses:
            kind = "ERROR" if each.status == FAILED else "INFO"
            events = tuple({"type": kind, "event": text} for text in each.events)
            successful: Any = each.latest_successful
            yield Scene(Status(each.status, begin, events, successful), each.seconds, each.calls)
            begin = None


_ENTRIES: Mapping[str, type[StrictModel]] = {
    "statuses": _Attempt,
    "fault": _Faulty,
    "stale": _Stale,
    "unsynced": _Unsynced,
}


def entry_of_life(value: Any, info: ValidationInfo) -> Any:
    """One entry of a life, whose model depends on the key that it has."""
    keys = [key for key in _ENTRIES if isinstance(value, Keys) and key in value]
    if len(keys) != 1:
        raise ValueError(f"an entry of a life must have exactly one of the keys {', '.join(_ENTRIES)}")
    try:
        return _ENTRIES[keys[0]].model_validate(value, context=info.context)
    except ValidationError as error:
        faults_of(info).take(value, error)
        raise PydanticOmit from None


class Window(_Faulty, SpanEntry):
    """A fault of one target, which hides its sync status or the answer of another operation."""

    after: Count = 0
    operation: Annotated[Plain, one_word_of(OPERATION_NAMES)] | None = None

    def window(self, **narrowed: Any) -> FaultWindow:
        span = self.span()
        return FaultWindow(
            Fault(self.fault, self.at),
            begin=span.begin,
            end=span.end,
            after=self.after,
            calls=self.calls,
            operation=self.operation,
            **narrowed,
        )


class WideWindow(Window):
    """A fault of every call, or of an account, region, API, operation or page of a listing."""

    account: AccountNumber | None = None
    api: Annotated[Plain, one_word_of(tuple(dict.fromkeys(SERVICES.values())))] | None = None
    region: Region | None = None
    page: Count | None = None
