"""Parses a scenario's YAML text, and reports every fault in it with its place.

`config/scenario.yaml` documents the format with an example. Each entry of a target's `life` has one of the keys
`statuses`, `fault`, `stale` and `unsynced`, and lasts `for` a time, for a number of `calls`, or for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, ValidationInfo
from pydantic_core import PydanticOmit

from watcher.config.faults import Faults, choice
from watcher.config.fields import Boolean, Count, Duration, Plain, Rate, Region, RoleArn
from watcher.config.readers import part_reader
from watcher.config.strict_model import Sound, StrictModel, faults_of
from watcher.config.tree import Keys, Place, compose
from watcher.core.kinds import Kind
from watcher.core.model import FAILED
from watcher.errors import ConfigError
from watcher.simulator.faults import FAULTS, Fault
from watcher.simulator.scenario import FaultWindow, Role, Scenario, Throttle
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import NewAttempt, Scene, Stale, Status, Timeline, Unsynced
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PROVIDERS = ("GitHub", "GitHubEnterpriseServer", "Bitbucket", "GitLab", "GitLabSelfManaged", "AzureDevOps")


def load_scenario(text: str, name: str) -> Scenario:
    """The scenario in `text`; messages call the file `name`.

    Raises:
        ConfigError: with every fault of the scenario.
    """
    faults = Faults(name)
    tree = compose(text, faults.report)
    read = None
    if isinstance(tree, Keys):
        try:
            read = _Scenario.model_validate(tree, context=faults)
        except ValidationError as error:
            faults.take(tree, error)
    elif not faults.found:
        faults.report(Place(1, 1, ""), "a scenario must be a mapping with at least `templates` or `stacks`")
    if read and not faults.found:  # an entry with a fault is left out, which would cause further ones here
        read.check(faults)
    if faults.found or read is None:
        raise ConfigError(faults.found)
    return read.scenario(name)


def _choice(words: tuple[str, ...]) -> AfterValidator:
    def check(word: str) -> str:
        if word not in words:
            raise ValueError(choice(word, words))
        return word

    return AfterValidator(check)


FaultName = Annotated[Plain, _choice(tuple(FAULTS))]
_TYPE, _NAME, _VERSION = (PlainValidator(part_reader(TEMPLATE, part)) for part in TEMPLATE.identity)
_STACK_NAME = PlainValidator(part_reader(STACK, STACK.identity[0]))


class _Entry(StrictModel):
    """A mapping whose keys may be keywords of Python (`for`, `from`), which are aliases of its fields."""

    @classmethod
    def _is_given(cls, field: FieldInfo, value: Any) -> bool:
        return field.alias is not None or super()._is_given(field, value)


class _Lasting(_Entry):
    seconds: Duration | None = Field(default=None, alias="for")
    calls: Count | None = None


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
    latest_successful: Annotated[Plain, _choice(("kept", "absent", "previous"))] = "kept"


class _Attempt(_Entry):
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


def _entry(value: Any, info: ValidationInfo) -> Any:
    """One entry of a life, whose model depends on the key that it has."""
    keys = [key for key in _ENTRIES if isinstance(value, Keys) and key in value]
    if len(keys) != 1:
        raise ValueError(f"an entry of a life must have exactly one of the keys {', '.join(_ENTRIES)}")
    try:
        return _ENTRIES[keys[0]].model_validate(value, context=info.context)
    except ValidationError as error:
        faults_of(info).take(value, error)
        raise PydanticOmit from None


class _Window(_Faulty):
    begin: Duration = Field(default=0.0, alias="from")
    after: Count = 0

    def window(self, **target: Any) -> FaultWindow:
        end = float("inf") if self.seconds is None else self.begin + self.seconds
        fault = Fault(self.fault, self.at)
        return FaultWindow(fault, begin=self.begin, end=end, after=self.after, calls=self.calls, **target)


class _WideWindow(_Window):
    api: Annotated[Plain, _choice((TEMPLATE.api, STACK.api))] | None = None
    region: Region | None = None


class _Target(_Entry):
    kind: ClassVar[Kind] = STACK
    name: Annotated[str, _STACK_NAME]
    life: list[Annotated[Any, PlainValidator(_entry)]]
    region: Region | None = None
    repository: Plain = "example-org/infrastructure"
    branch: Plain = "main"
    provider: Annotated[Plain, _choice(PROVIDERS)] = "GitHub"
    directory: Plain | None = None
    repeat: Boolean = False
    faults: tuple[Sound[_Window], ...] = ()

    def subject(self) -> Subject:
        identity = tuple((part.name, getattr(self, part.name)) for part in self.kind.identity)
        return Subject(self.kind, identity, self.region, self.repository, self.branch, self.provider, self.directory)

    def timeline(self) -> Timeline:
        return Timeline(tuple(scene for entry in self.life for scene in entry.scenes()), self.repeat)

    def check(self, faults: Faults) -> None:
        """Report faults that concern several keys."""
        if "/" not in self.repository:
            faults.report(self.place("repository"), "must be OWNER/NAME")
        scenes = self.timeline().scenes
        if not scenes:
            faults.report(self.place("life"), "needs at least one entry, and an attempt at least one status")
        endless = [scene.seconds is None and scene.calls is None for scene in scenes]
        if any(endless[:-1]) or (self.repeat and any(endless)):
            message = "only the last entry may last for ever, and none if the life repeats; add `for` or `calls`"
            faults.report(self.place("life"), message)
        if any(scene.seconds is not None and scene.calls is not None for scene in scenes):
            faults.report(self.place("life"), "an entry may have `for` or `calls`, not both")


class _Template(_Target):
    kind: ClassVar[Kind] = TEMPLATE
    name: Annotated[str, _NAME]
    type: Annotated[str, _TYPE]
    version: Annotated[str, _VERSION]


class _Throttle(_Entry):
    requests_per_second: Rate
    burst: Count | None = None

    def throttle(self) -> Throttle:
        return Throttle(self.requests_per_second, self.burst or max(1, round(self.requests_per_second)))


class _Key(_Entry):
    access_key: Plain
    secret: Plain


class _Role(_Entry):
    arn: RoleArn
    external_id: Plain | None = None
    lifetime: Duration = 3600.0


class _Scenario(_Entry):
    throttle: _Throttle | None = None
    keys: tuple[Sound[_Key], ...] = ()
    roles: tuple[Sound[_Role], ...] = ()
    faults: tuple[Sound[_WideWindow], ...] = ()
    templates: tuple[Sound[_Template], ...] = ()
    stacks: tuple[Sound[_Target], ...] = ()

    def check(self, faults: Faults) -> None:
        """Report faults that concern several targets."""
        known: set[tuple[str, str | None]] = set()
        for target in (*self.templates, *self.stacks):
            target.check(faults)
            identity = (target.subject().key, target.region)
            if identity in known:
                faults.report(target.place(), f"{identity[0]} is in this scenario twice")
            known.add(identity)

    def scenario(self, name: str) -> Scenario:
        targets = (*self.templates, *self.stacks)
        windows = [
            each.window(key=target.subject().key, region=target.region) for target in targets for each in target.faults
        ]
        windows += [each.window(api=each.api, region=each.region) for each in self.faults]
        return Scenario(
            name,
            tuple((target.subject(), target.timeline()) for target in targets),
            tuple(windows),
            self.throttle.throttle() if self.throttle else None,
            {key.access_key: key.secret for key in self.keys},
            tuple(Role(role.arn, role.external_id, role.lifetime) for role in self.roles),
        )
