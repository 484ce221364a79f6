"""`route`: which sinks would get an event, and why."""

from collections.abc import Sequence
from datetime import UTC, datetime
from textwrap import indent

import click
from rich.text import Text

from watcher.cli.options import config_option, examples, given, json_option, load_config, print_note
from watcher.cli.output.console import GOOD, Table, print_json, print_table, safe
from watcher.cli.stored_mutes import stored_mutes
from watcher.core.model import EndpointKey, Target, rfc3339
from watcher.core.routing_questions import Question, Routed, answer
from watcher.core.settings import Config
from watcher.messages.samples import sample_of
from watcher.sources.questions import ask, read_event_type, read_subject
from watcher.util.clock import SystemClock
from watcher.util.redaction import printable, redact

_TARGET = "default/us-east-1/stack/network"


@click.command(
    epilog=examples(
        f"watcher route --type sync.failed --target {_TARGET}",
        f"watcher route --type sync.failed --target {_TARGET} --label team=platform --at 2026-12-24T22:00:00Z",
        "watcher route --type endpoint.unreadable --target default/us-east-1/codeconnections --json",
    )
)
@config_option
@click.option(
    "--type", "event_type", metavar="TYPE", required=True, help="The event's type; `watcher.` may be left out."
)
@click.option("--target", metavar="ID", required=True, help="The id of a target, or an endpoint: ACCOUNT/REGION/API.")
@click.option("--label", "labels", metavar="NAME=VALUE", multiple=True, help="A label of the target; can be repeated.")
@click.option(
    "--at",
    metavar="TIME",
    help="The time of the event, for mutes; with a time zone, as 2026-11-23T08:00:00Z. Default: now.",
)
@json_option
def route(
    config: str | None, event_type: str, target: str, labels: Sequence[str], at: str | None, *, as_json: bool
) -> int:
    """Show which sinks would get an event, and why.

    Nothing is sent, and AWS is not called. Of the state, only the mutes are read that `watcher mute` made. The target
    need not be in the configuration; if it is, it has the labels that it has there, and --label adds to them or
    replaces them. Below the table are the messages that people would receive, with made-up details. Only the routing is
    shown: a sink for alerts does not send an event outside an incident, and a sink for commit statuses sends none
    without a commit of its provider.
    """
    type_read = given("--type", read_event_type, event_type)
    labels_read = dict(given("--label", _label, each) for each in labels)
    moment = given("--at", _moment, at) if at is not None else SystemClock().now()
    settings = load_config(config)
    subject = given("--target", lambda text: _subject(text, settings), target)
    question = given("--target", lambda _: ask(settings, type_read, subject, labels_read, moment), target)
    routed = answer(question, settings, stored_mutes(settings))
    if as_json:
        print_json(_to_json(question, routed))
    else:
        print_table(_table(routed))
        _print_messages(question, routed)
    may_be_found = isinstance(subject, Target) and subject.id not in settings.targets_by_id
    if settings.discover and may_be_found and any(each.labels for each in settings.sinks):
        print_note("labels that a rule of `discover` gives to a target are not known here; give them with --label")
    return 0


def _subject(text: str, settings: Config) -> Target | EndpointKey:
    """Return the target or endpoint with this id.

    Raises:
        ValueError: there cannot be one; the message suggests configured targets whose id ends so.
    """
    try:
        return read_subject(text)
    except ValueError:
        if similar := [each for each in settings.targets_by_id if each.endswith(f"/{text}")][:3]:
            raise ValueError(f"{text!r} is not a whole id; did you mean {' or '.join(similar)}?") from None
        raise


def _label(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise ValueError(f"{text!r} is not a label; write NAME=VALUE")
    return name, value


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a valid time (example: 2026-11-23T08:00:00Z)") from None
    raise ValueError(f"{text!r} has no time zone; add Z (for UTC) or an offset such as +01:00")


def _to_json(question: Question, routed: Sequence[Routed]) -> dict[str, object]:
    event = {"type": question.type, "target": question.subject_id, "at": rfc3339(question.at)}
    sinks = [{"sink": each.sink.name, "sent": each.sent, "why": redact(each.why)} for each in routed]
    return {"event": event, "sinks": sinks}


def _table(routed: Sequence[Routed]) -> Table:
    table = Table("SINK", "TYPE", "SENT", "NOTE", fold=("SINK", "NOTE"))
    for each in routed:
        sent = Text("yes", GOOD) if each.sent else Text("only the end" if each.if_problem_sent else "no", "dim")
        table.add_row(printable(each.sink.name), each.sink.type, sent, printable(redact(each.why)))
    return table


def _print_messages(question: Question, routed: Sequence[Routed]) -> None:
    event = sample_of(question.type, question.subject)
    for each in routed:
        if each.sent and (message := each.sink.options.preview(event)):
            click.echo(safe(f"\n{each.sink.name} ({each.sink.type}) would show, with other details:\n"))
            click.echo(safe(indent(message, "  ")))
