"""The keys of a target in the configuration: those of every kind, and the parts of a kind's identity."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, PlainValidator, ValidationError, ValidationInfo, create_model, model_validator
from pydantic_core import CoreSchema, PydanticOmit, core_schema

from watcher.config.faults import Faults, listed
from watcher.config.fields import Duration, Interval, LabelValue, OnFirstSeen, Plain, Region, part_schema
from watcher.config.readers import part_reader
from watcher.config.strict_model import Sound, StrictModel, faults_of
from watcher.config.tree import Keys, Node
from watcher.core.kinds import IdentityPart, Kind
from watcher.core.model import Repository

Labels = dict[str, LabelValue]

MAX_LABELS_LENGTH = 4096
"""Characters of all labels of a target: each of its events repeats them, and the size of an event is limited."""


def _repository_schema(schema: dict[str, Any], model: type["TargetModel"]) -> None:
    """Add to the JSON Schema that the keys of a target's repository are written together."""
    names = model.repository_keys()
    if names:
        schema["dependentRequired"] = {name: [other for other in names if other != name] for name in names}


class TargetModel(StrictModel):
    """The keys that every target has; the parts of its identity are added by `target_model`."""

    model_config = ConfigDict(json_schema_extra=_repository_schema)

    region_key: ClassVar[str] = "`region` to each target"
    """Where the region can be written, for messages."""
    kind: ClassVar[Kind]
    foreign: ClassVar[Mapping[str, str]] = {}
    """The keys of the other kinds in its list, with the message about each."""

    account: Plain | None = None
    """The account, by its name under `accounts`. Default: the only account, or the one named `default`."""
    region: Region | None = Field(default=None, examples=["eu-west-1"])
    """The region. Default: each region of the account."""
    interval: Interval | None = None
    """The time between polls of this target when it is settled."""
    active_interval: Interval | None = None
    """The time between polls of this target while its sync is unfinished."""
    repository_interval: Interval | None = None
    """The time between polls of the repository that this target is synced from."""
    backstop_interval: Interval | None = None
    """The time between polls while its sync is finished, and its repository is polled or hints report its changes."""
    stalled_after: Duration | None = None
    """An unfinished attempt of this target that is older than this is stalled."""
    timeout: Duration | None = None
    """The time limit of one API call about this target."""
    on_first_seen: OnFirstSeen | None = None
    """Which first observations of this target are events."""
    labels: Labels = Field(default={}, examples=[{"team": "platform"}])
    """Labels that are added to those of `defaults`."""

    @classmethod
    def repository_keys(cls) -> list[str]:
        """Return the keys of the repository that such a target is synced from; none if it has no such keys."""
        return [part.name for part in cls.kind.synced_from.identity] if cls.kind.synced_from else []

    @property
    def identity(self) -> dict[str, str]:
        """The values of the parts of the identity, by name."""
        return {part.name: getattr(self, part.name) for part in self.kind.identity}

    @property
    def repository(self) -> Repository | None:
        """The repository that it is synced from, if that is written."""
        given = {name: getattr(self, name) for name in self.repository_keys()}
        return Repository(**given) if any(given.values()) else None

    @model_validator(mode="after")
    def _whole_repository(self) -> Self:
        names = self.repository_keys()
        missing = [name for name in names if getattr(self, name) is None]
        if missing and missing != names:
            message = f"{listed(names, 'and')} name the repository of a {self.kind.name} together"
            raise ValueError(f"{message}; add {listed(missing, 'and')}")
        return self

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        """Report unknown keys, and those of the other kinds in its list as such."""
        faults.report_unknown(value, cls.known_keys(), cls.foreign)


def target_model(kind: Kind, foreign: Mapping[str, str] = {}) -> type[TargetModel]:
    """Return the model of a target of this kind; `foreign`: see `TargetModel`."""
    keys: dict[str, Any] = {part.name: _key(kind, part) for part in kind.identity}
    if source := kind.synced_from:
        keys |= {part.name: _key(source, part, optional=True) for part in source.identity}
    name = "".join(word.capitalize() for segment in kind.segments for word in segment.split("-"))
    model = create_model(name, __base__=TargetModel, __doc__=kind.description, **keys)
    model.kind, model.foreign = kind, foreign
    return model


def _key(kind: Kind, part: IdentityPart, *, optional: bool = False) -> tuple[Any, Any]:
    """Return the type and the field of a key that has a part of the identity of this kind."""
    type_: Any = Annotated[str, PlainValidator(part_reader(kind, part)), part_schema(part)]
    about: Any = {"description": part.description, "examples": [part.example]}
    return (type_ | None, Field(default=None, **about)) if optional else (type_, Field(**about))


def watched_keys(kinds: Iterable[Kind]) -> str:
    """Return the keys that say what is watched, for messages: the lists of these kinds, and `discover`."""
    return listed([*by_section(kinds), "discover"], "or")


def report_long_labels(labels: Mapping[str, str], owner: StrictModel, faults: Faults) -> None:
    """Report labels that are too long, at the key `labels` of a target or a rule."""
    if sum(map(len, (*labels, *labels.values()))) > MAX_LABELS_LENGTH:
        message = f"a target's labels, with those of `defaults`, may have {MAX_LABELS_LENGTH} characters in all"
        faults.report(owner.place("labels"), message)


def by_section(kinds: Iterable[Kind]) -> dict[str, list[Kind]]:
    """Return the kinds of each list, by its key; without those that only discovery finds."""
    found: dict[str, list[Kind]] = {}
    for kind in (kind for kind in kinds if kind.section):
        found.setdefault(kind.section, []).append(kind)
    return found


def target_list(kinds: Sequence[Kind]) -> Any:
    """Return the type of a list of targets of these kinds, without those that are wrong."""
    item: Any = Sound[target_model(kinds[0])] if len(kinds) == 1 else Annotated[Any, _Either(kinds)]  # type: ignore[misc]
    return list[item]


class _Either:
    """An annotation for pydantic: a target of one of several kinds, chosen by the keys that only that kind has."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        names = {kind: [part.name for part in kind.identity] for kind in kinds}
        times = Counter(name for each in names.values() for name in each)
        self._wanted = f"a {kinds[0].name} has {', or '.join(listed(each, 'and') for each in names.values())}"
        self._own: dict[type[TargetModel], list[str]] = {}
        """The keys that only one kind has, by its model."""
        for kind, each in names.items():
            own = [name for name in each if times[name] == 1]
            message = f"this key does not go with {listed(own, 'and')}; {self._wanted}"
            self._own[target_model(kind, dict.fromkeys(times.keys() - {*each}, message))] = own
        keys: dict[str, Any] = {part.name: _key(kind, part, optional=True) for kind in kinds for part in kind.identity}
        self._undecided = create_model("Undecided", __base__=TargetModel, **keys)
        self._undecided.kind = replace(kinds[0], identity=())

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        return {"anyOf": [handler(model.__pydantic_core_schema__) for model in self._own]}

    def _read(self, value: Node, info: ValidationInfo) -> TargetModel:
        """Return the target that `value` describes; the faults of a wrong one are reported, and it is left out."""
        faults, model = faults_of(info), self._model_for(value)
        try:
            target = model.model_validate(value, context=faults)
        except ValidationError as error:
            faults.take(value, error)
        else:
            if model is not self._undecided:
                return target
        if model is self._undecided and isinstance(value, Keys) and not (value.misspelt or value.broken):
            faults.report(value.place, self._wanted)
        raise PydanticOmit

    def _model_for(self, value: Node) -> type[TargetModel]:
        """Return the model of which `value` has the most own keys."""
        if not isinstance(value, Keys):
            return self._undecided
        written = {model: sum(name in value for name in own) for model, own in self._own.items()}
        most = max(written, key=lambda model: written[model])
        return most if written[most] else self._undecided
