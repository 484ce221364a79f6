"""`test`: whether events are routed as a file expects."""

import click

from watcher.cli.options import config_option, examples, load_config, working_directory
from watcher.cli.output.console import safe
from watcher.cli.stored_mutes import stored_mutes
from watcher.config.document import read
from watcher.config.routing_cases import RoutingCase, parse_cases
from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.model import rfc3339
from watcher.core.routing_questions import answer
from watcher.core.settings import Config
from watcher.messages.phrases import counted
from watcher.util.clock import SystemClock

_EXAMPLE = """\b
The file:
  - given: {type: sync.failed, target: default/us-east-1/stack/network, labels: {team: platform}}
    expect: [ops, chat]
  - given: {type: sync.failed, target: default/us-east-1/stack/network, at: 2026-12-24T22:00:00Z}
    expect: []

"""


@click.command(
    "test", epilog=_EXAMPLE + examples("watcher test routing.yaml", "watcher test routing.yaml --config prod.yaml")
)
@config_option
@click.option("--with-mutes", is_flag=True, help="Also consider the mutes that `watcher mute` made.")
@click.argument("file", metavar="FILE")
def routing_test(config: str | None, file: str, *, with_mutes: bool) -> int:
    """Check the routing against a list of events and the sinks that must get them.

    Nothing is sent, and AWS is not called; the state is read only with --with-mutes. For mutes, an event without `at`
    happens now. Only the filters of the sinks and the mutes count, not that a sink is also sent the end of each problem
    that it was sent. If an event is routed otherwise, shows each sink that differs and why, and the exit code is 1.
    """
    settings = load_config(config)
    document = read(file, working_directory(), "the file to test with")
    cases = parse_cases(document, settings, SystemClock().now())
    hand = stored_mutes(settings) if with_mutes else NOTHING_BY_HAND
    differing = [case for case in cases if _print_difference(case, settings, hand)]
    outcome = f"{len(differing)} routed otherwise than expected" if differing else "routed as expected"
    click.echo(f"{counted(len(cases), 'case')}, {outcome}.")
    return 1 if differing else 0


def _print_difference(case: RoutingCase, settings: Config, hand: ByHand) -> bool:
    """Print the sinks of a case that are not as expected, and return whether there are any."""
    question = case.question
    lines = [
        f"  {'+ ' if each.sent else '- '}{each.sink.name}: {'not expected' if each.sent else 'expected'}; {each.why}"
        for each in answer(question, settings, hand)
        if each.sent != (each.sink.name in case.expected)
    ]
    if lines:
        labels = "".join(f" {name}={value}" for name, value in question.labels.items())
        click.echo(safe(f"{case.place}: {question.type} of {question.subject_id}{labels} at {rfc3339(question.at)}"))
        click.echo(safe("\n".join(lines)))
    return bool(lines)
