"""Turns the models of a file into settings: each target in each of its regions, and the checks across several keys."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from watcher.config.accounts import Accounts, Environment, ambient_region
from watcher.config.discover_rules import discover_rules
from watcher.config.faults import Faults, choice
from watcher.config.files import report_shared_files
from watcher.config.listen_address import is_loopback, split_listen
from watcher.config.mute_model import MuteModel
from watcher.config.schema import AccountModel, File, HintModel
from watcher.config.sink_model import ROUTING, AccountSinkModel, SinkModel
from watcher.config.target_model import by_section, report_long_labels, watched_keys
from watcher.config.tree import Keys, Place, Text
from watcher.config.url_readers import queue_region, state_url
from watcher.core import settings
from watcher.core.digest import Digest
from watcher.core.model import Target
from watcher.core.mutes import Mute
from watcher.core.sink_settings import SinkSettings
from watcher.core.state_url import DEFAULT, SCHEME, VARIABLE, parse_address
from watcher.util.bounded_text import shown

DEFAULT_SINK = "stdout"
"""The name and the type of the sink of a configuration that lists none."""


def resolve(
    file: File, written: Keys, environment: Environment, faults: Faults, *, may_be_empty: bool = False
) -> settings.Config:
    """Return the settings of `file`, which are valid only if `faults` is empty afterwards.

    `may_be_empty`: whether it may have nothing to watch.
    """
    accounts = Accounts(file, written, environment, faults)
    state = _state(file, written, environment, faults)
    targets = tuple(_targets(file, accounts, faults))
    _report_repeated_names(file.accounts, "account", faults)
    _report_repeated_names(file.sinks, "sink", faults)
    report_shared_files(file, state, faults)
    _report_no_region(file, state, environment, faults)
    sinks = [(sink, *_account_and_region(sink, accounts, faults)) for sink in file.sinks or [_default_sink(file)]]
    rules = tuple(discover_rules(file, accounts, faults))
    queues = tuple(_hint_queues(file, accounts, faults))
    if not (targets or rules or may_be_empty):
        _report_nothing_to_watch(file, written, faults)
    if file.retry.initial > file.retry.maximum:
        faults.report(file.retry.place("initial"), "`initial` must not be longer than `maximum`")
    for sink in file.sinks:
        if sink.remind_every is not None and sink.remind_every >= file.state_retention:
            message = "this must be shorter than `state_retention`, after which the event is not kept"
            faults.report(sink.place("remind_every"), message)
    completed = accounts.completed()
    return settings.Config(
        place=faults.file,
        files=faults.files,
        accounts=completed,
        targets=targets,
        retry=settings.Retry(**file.retry.model_dump()),
        unreadable_after=file.unreadable_after,
        sinks=tuple(_sink(sink, completed.get(account), region, environment.now) for sink, account, region in sinks),
        mutes=tuple(_mute(mute) for mute in file.mute),
        state=state,
        http=_http(file, faults),
        state_retention=file.state_retention,
        shutdown_grace=file.shutdown_grace,
        discover=rules,
        hints=tuple(settings.HintQueue(url, completed[account], region) for url, account, region in queues),
        digest=_digest(file, faults),
        heartbeat=file.heartbeat.heartbeat() if file.heartbeat else None,
        tracing=settings.Tracing(**file.tracing.model_dump()) if file.tracing else None,
    )


def _state(file: File, written: Keys, environment: Environment, faults: Faults) -> str:
    """Where the state is stored: as the file says, else the environment."""
    if written.holds("state"):
        return file.state
    try:
        return ambient_state(environment.environ)
    except ValueError as error:
        faults.report(Place(1, 1, VARIABLE), str(error))
        return DEFAULT


def ambient_state(environ: Mapping[str, str]) -> str:
    """Return where the environment says that the state is stored, else the default.

    Raises:
        ValueError: it does not name a store; the message says why.
    """
    named = environ.get(VARIABLE)
    return state_url(Text(named, Place(1, 1, ""))) if named else DEFAULT


def _report_no_region(file: File, state: str, environment: Environment, faults: Faults) -> None:
    """Report a DynamoDB table whose region is unknown."""
    if not state.startswith(SCHEME) or parse_address(state).region is not None:
        return
    try:
        known = ambient_region(environment, None)
    except ValueError as error:
        faults.report(file.place("state"), str(error))
        return
    except LookupError:
        known = None
    if not known:
        faults.report(file.place("state"), "the region of the table is not known; add ?region=…, or set AWS_REGION")


def _targets(file: File, accounts: Accounts, faults: Faults) -> Iterator[Target]:
    """Every target in each of its regions, once."""
    first: dict[str, Place] = {}
    defaults = file.defaults.model_dump()
    for written in file.targets:
        account = accounts.of(written)
        if account is None:
            continue
        regions = (written.region,) if written.region else accounts.regions(account, written)
        labels = {**file.defaults.labels, **written.labels}
        own = written.model_dump(include=set(defaults), exclude_none=True)
        watching = {**defaults, **own, "labels": labels, "repository": written.repository}
        targets = [written.kind.target(account.name, region, written.identity, **watching) for region in regions]
        repeated = [first[target.id] for target in targets if target.id in first]
        if repeated:
            place, here = min(repeated, key=lambda place: (place.file, place)), written.place()
            faults.report(here, f"this target is already listed: {place.path}, on {place.line_beside(here)}")
            continue
        report_long_labels(labels, written, faults)
        first.update((target.id, written.place()) for target in targets)
        yield from targets


def _hint_queues(file: File, accounts: Accounts, faults: Faults) -> Iterator[tuple[str, str, str]]:
    """The URL of each queue, the name of its account, and its region; those with a fault are left out."""
    first: dict[str, Place] = {}
    for written in file.hints:
        account = accounts.of(written)
        if written.queue in first:
            here = written.place("queue")
            faults.report(here, f"this queue is already listed on {first[written.queue].line_beside(here)}")
            continue
        first[written.queue] = written.place("queue")
        if account is None:
            continue
        if region := queue_region(written.queue) or _only_region(written, accounts.regions(account, written), faults):
            yield written.queue, account.name, region


def _only_region(written: HintModel, regions: tuple[str, ...], faults: Faults) -> str | None:
    if len(regions) > 1:
        message = "the URL does not name a region, and the account has several; use an account with one region"
        faults.report(written.place("queue"), message)
    return regions[0] if len(regions) == 1 else None


def _default_sink(file: File) -> SinkModel:
    return file.sink_types.model(DEFAULT_SINK).model_construct(name=DEFAULT_SINK, type=DEFAULT_SINK)


def _account_and_region(sink: SinkModel, accounts: Accounts, faults: Faults) -> tuple[str, str]:
    """The names of the account and the region of a sink at AWS; empty for another sink, or if a fault is reported."""
    if not isinstance(sink, AccountSinkModel):
        return "", ""
    found = sink.address_region
    if sink.region and found and sink.region != found:
        faults.report(sink.place("region"), f"the region in the address is {found}; remove `region`")
    account = accounts.of(sink)
    if account is None:
        return "", ""
    if sink.region or found:
        return account.name, sink.region or found or ""
    regions = accounts.regions(account, sink)
    if len(regions) > 1:
        choice = ", ".join(regions)
        faults.report(sink.place(), f"`region` is missing, and its account has several; choose from {choice}")
    return account.name, regions[0] if regions else ""


def _sink(sink: SinkModel, account: settings.Account | None, region: str, now: datetime) -> SinkSettings:
    routing = sink.model_dump(include={"name", "type", *ROUTING})
    if isinstance(sink.replay_from, float):
        routing["replay_from"] = now - timedelta(seconds=sink.replay_from)
    return SinkSettings(**routing, account=account, region=region or None, options=sink)


def _digest(file: File, faults: Faults) -> Digest | None:
    """Return the digest, whose sinks must be configured, and able to send one."""
    if file.digest is None:
        return None
    sinks = {sink.name: sink for sink in file.sinks or [_default_sink(file)]}
    for number, name in enumerate(file.digest.to):
        place = file.digest.place("to", number)
        if name not in sinks:
            faults.report(place, f"there is no sink {shown(name)}; {choice(name, sinks)}")
        elif not sinks[name].digests:
            faults.report(place, f"a sink of type {sinks[name].type} cannot send a digest; name another")
    return file.digest.digest()


def _mute(mute: MuteModel) -> Mute:
    when = mute.when.window() if mute.when else None
    return Mute(**mute.model_dump(exclude={"when"}), when=when)


def _http(file: File, faults: Faults) -> settings.Http | None:
    if file.http is None:
        return None
    host, port = split_listen(file.http.listen)
    if not (is_loopback(host) or file.http.token or file.http.insecure):
        message = "other machines can reach this address: set a `token` or `insecure: true`, or listen at 127.0.0.1"
        faults.report(file.http.place("listen"), message)
    if file.http.token and file.http.token == file.http.write_token:
        message = "this must differ from `token`: readers must not be able to make changes"
        faults.report(file.http.place("write_token"), message)
    return settings.Http(host, port, written=file.http.is_written, **file.http.model_dump(exclude={"listen"}))


def _report_repeated_names(named: Iterable[AccountModel] | Iterable[SinkModel], what: str, faults: Faults) -> None:
    first: dict[str, Place] = {}
    for each in named:
        if each.name in first:
            here = each.place("name")
            faults.report(here, f"this {what} name is already used on {first[each.name].line_beside(here)}")
        first.setdefault(each.name, each.place("name"))


def _report_nothing_to_watch(file: File, written: Keys, faults: Faults) -> None:
    unknown = any(written.holds(key) for key in written.keys() - type(file).model_fields.keys())
    if any(written.holds(key) for key in (*by_section(file.kinds), "discover")) or unknown:
        return  # their faults are reported, and an unknown key may have been meant for one of them
    message = f"there is nothing to watch; list targets, or rules that find them, under {watched_keys(file.kinds)}"
    faults.report(file.place(), message)
