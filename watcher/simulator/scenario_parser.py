"""From a scenario's YAML text to a Scenario, or to every fault in it with its place.

`config/scenario.yaml` is the documented example; in short:

    throttle: {requests_per_second: 20, burst: 40}          # of each region and API; none: no throttle
    keys: [{access_key: AKIAEXAMPLE, secret: …}]            # verify these signatures; others are believed
    roles: [{arn: …, external_id: …, lifetime: 15m}]        # only these can be assumed; none: any
    faults: [{fault: throttling, api: proton, region: us-east-1, from: 40s, for: 5s}]
    templates:                                              # and `stacks`, which have a name alone
      - name: fargate-env
        type: ENVIRONMENT
        version: 1
        repository: example-org/templates                   # and region, branch, provider, directory
        repeat: true
        faults: [{fault: hang, after: 3, calls: 2}]         # over the life, which goes on beneath
        life:                                               # each entry is one of these four
          - {unsynced: true, for: 5s}
          - commit: 62c0f1e                                 # and branch, repository, started, recreated
            statuses:
              - {status: IN_PROGRESS, for: 3s, events: ["Fetching the commit"]}
              - {status: FAILED, calls: 2, events: ["Failed to parse v1/schema.yaml"]}
          - {stale: 1, calls: 2}                            # the attempt before, as a lagging replica shows it
          - {fault: missing_field, field: latestSync.status, for: 10s}

What lasts neither `for` a time nor so many `calls` lasts for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, ValidationInfo
from pydantic_core import PydanticOmit

from watcher.config.faults import Faults, suggestion
from watcher.config.fields import (
    Boolean,
    Count,
    Duration,
    Plain,
    Rate,
    Region,
    RoleArn,
    StackName,
    TemplateName,
    TypeOfTemplate,
    Version,
)
from watcher.config.strict_model import Sound, StrictModel, faults_of
from watcher.config.tree import Keys, Place, compose
from watcher.core.model import FAILED, Api, Kind
from watcher.errors import ConfigError
from watcher.simulator.faults import FAULTS, Fault
from watcher.simulator.scenario import Role, Scenario, Spell, Throttle
from watcher.simulator.timeline import Plan, Scene, Stale, Status, Subject, Timeline, Unsynced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROVIDERS = ("GitHub", "GitHubEnterpriseServer", "Bitbucket", "GitLab", "GitLabSelfManaged", "AzureDevOps")


def load_scenario(text: str, name: str) -> Scenario:
    """The scenario in `text`; `name` is what messages call the file.

    Raises:
        ConfigError: it is wrong; with every fault.
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
        faults.report(Place(1, 1, ""), "a scenario is a mapping with at least `templates` or `stacks`")
    if read and not faults.found:  # what was left out for its own fault would be missed here
        read.check(faults)
    if faults.found or read is None:
        raise ConfigError(faults.found)
    return read.scenario(name)


def _choice(words: tuple[str, ...]) -> AfterValidator:
    def check(word: str) -> str:
        if word not in words:
            close = suggestion(word, words)
            raise ValueError(f"did you mean {close[0]}?" if close else f"choose from {', '.join(words)}")
        return word

    return AfterValidator(check)


FaultName = Annotated[Plain, _choice(tuple(FAULTS))]
ApiName = Annotated[Plain, _choice(tuple(Api))]
Provider = Annotated[Plain, _choice(PROVIDERS)]


class _Entry(StrictModel):
    """A mapping whose keys may be Python's own words (`for`, `from`), kept under another name."""

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        faults.report_unknown(value, [field.alias or name for name, field in cls.model_fields.items()])

    @classmethod
    def _is_given(cls, name: str, value: Any) -> bool:
        aliased = name in {field.alias for field in cls.model_fields.values()}
        return aliased or super()._is_given(name, value)


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


class _Failing(_Lasting):
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
        plan: Plan | None = Plan(self.commit, self.branch, self.repository, self.started, self.recreated)
        for each in self.statuses:
            kind = "ERROR" if each.status == FAILED else "INFO"
            events = tuple({"type": kind, "event": text} for text in each.events)
            kept: Any = each.latest_successful
            yield Scene(Status(each.status, plan, events, kept), each.seconds, each.calls)
            plan = None


_ENTRIES: Mapping[str, type[StrictModel]] = {
    "statuses": _Attempt,
    "fault": _Failing,
    "stale": _Stale,
    "unsynced": _Unsynced,
}


def _entry(value: Any, info: ValidationInfo) -> Any:
    """One entry of a life, by the key that tells what it is."""
    named = [key for key in _ENTRIES if isinstance(value, Keys) and key in value]
    if len(named) != 1:
        raise ValueError(f"an entry of a life has one of the keys {', '.join(_ENTRIES)}")
    try:
        return _ENTRIES[named[0]].model_validate(value, context=info.context)
    except ValidationError as error:
        faults_of(info).take(value, error)
        raise PydanticOmit from None


class _Spell(_Entry):
    fault: FaultName
    at: Plain = Field(default="latestSync.startedAt", alias="field")
    begin: Duration = Field(default=0.0, alias="from")
    seconds: Duration | None = Field(default=None, alias="for")
    after: Count = 0
    calls: Count | None = None

    def spell(self, **narrowed: Any) -> Spell:
        end = float("inf") if self.seconds is None else self.begin + self.seconds
        return Spell(
            Fault(self.fault, self.at), begin=self.begin, end=end, after=self.after, calls=self.calls, **narrowed
        )


class _WideSpell(_Spell):
    api: ApiName | None = None
    region: Region | None = None


class _Target(_Entry):
    name: StackName
    life: list[Annotated[Any, PlainValidator(_entry)]]
    region: Region | None = None
    repository: Plain = "example-org/infrastructure"
    branch: Plain = "main"
    provider: Provider = "GitHub"
    directory: Plain | None = None
    repeat: Boolean = False
    faults: tuple[Sound[_Spell], ...] = ()

    def subject(self) -> Subject:
        return self._subject(Kind.STACK, (("name", self.name),))

    def _subject(self, kind: Kind, identity: tuple[tuple[str, str], ...]) -> Subject:
        return Subject(kind, identity, self.region, self.repository, self.branch, self.provider, self.directory)

    def told(self) -> Timeline:
        return Timeline(tuple(scene for entry in self.life for scene in entry.scenes()), self.repeat)

    def check(self, faults: Faults) -> None:
        """Report what is wrong between the entries."""
        if "/" not in self.repository:
            faults.report(self.place("repository"), "a repository is OWNER/NAME")
        scenes = self.told().scenes
        if not scenes:
            faults.report(self.place("life"), "a life needs at least one entry, and an attempt at least one status")
        endless = [scene.seconds is None and scene.calls is None for scene in scenes]
        if any(endless[:-1]) or (self.repeat and any(endless)):
            message = "what lasts for ever can only come last, and not in a life that repeats; give it `for` or `calls`"
            faults.report(self.place("life"), message)
        if any(scene.seconds is not None and scene.calls is not None for scene in scenes):
            faults.report(self.place("life"), "an entry lasts `for` a time or so many `calls`, not both")


class _Template(_Target):
    name: TemplateName
    type: TypeOfTemplate
    version: Version

    def subject(self) -> Subject:
        return self._subject(Kind.TEMPLATE, (("type", self.type), ("name", self.name), ("version", self.version)))


class _Throttle(_Entry):
    requests_per_second: Rate
    burst: Count | None = None


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
    faults: tuple[Sound[_WideSpell], ...] = ()
    templates: tuple[Sound[_Template], ...] = ()
    stacks: tuple[Sound[_Target], ...] = ()

    def check(self, faults: Faults) -> None:
        """Report what is wrong between the targets."""
        known: set[tuple[str, str | None]] = set()
        for target in (*self.templates, *self.stacks):
            target.check(faults)
            identity = (target.subject().key, target.region)
            if identity in known:
                faults.report(target.place(), f"{identity[0]} is in this scenario twice")
            known.add(identity)

    def scenario(self, name: str) -> Scenario:
        targets = (*self.templates, *self.stacks)
        own = [
            spell.spell(key=target.subject().key, region=target.region) for target in targets for spell in target.faults
        ]
        wide = [spell.spell(api=spell.api and Api(spell.api), region=spell.region) for spell in self.faults]
        limit = self.throttle
        return Scenario(
            name,
            tuple((target.subject(), target.told()) for target in targets),
            (*own, *wide),
            Throttle(limit.requests_per_second, limit.burst or max(1, round(limit.requests_per_second)))
            if limit
            else None,
            {key.access_key: key.secret for key in self.keys},
            tuple(Role(role.arn, role.external_id, role.lifetime) for role in self.roles),
        )
