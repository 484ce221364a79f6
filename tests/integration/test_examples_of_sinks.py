"""Runs each example of a sink in `config/sinks.md`: a receiver accepts what the sink sends of an incident.

Only the addresses differ: those of receivers on loopback, which behave as the vendors document it, and of an emulator
of AWS. A table of the document has the number of requests that this takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration.receiver import OK, Received, Receiver, Reply, receiving
from tests.integration.test_commit_statuses import HOSTS, REPOSITORY, of
from tests.integration.test_sink_trials import Team
from tests.support.incidents import FAILED_AGAIN, FAILED_EVENT, MENDED, Jsm, PagerDuty
from tests.support.slack_workspace import Workspace
from tests.unit.config.test_examples import SECRETS, SURROUNDINGS
from watcher.aws.sessions import Sessions
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.deliveries import Delivery, Verdict
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.sinks import SINKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulators import Emulator
    from watcher.core.events import Event

TEXT = (Path(__file__).parents[2] / "config" / "sinks.md").read_text(encoding="utf-8")
EXAMPLES = {
    str(item["name"]): item
    for example in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    if isinstance(items := yaml.safe_load(example), list)
    for item in items
}
LOCAL = {"allow_http": True, "allow_private": True, "proxy": "off"}
BATCHED = {"eventbridge", "sns", "sqs"}


@dataclass
class Place:
    """Where an example sends to instead, and the keys that replace its own."""

    keys: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = (FAILED_EVENT, FAILED_AGAIN, MENDED)
    is_over: Callable[[], bool] = lambda: True
    """Whether the receiver shows the incident as over."""


Placing = Callable[[dict[str, Any], Receiver], Place]
"""Returns where an example sends to; the receiver answers as that service does."""


def webhook(_: dict[str, Any], receiver: Receiver) -> Place:
    def is_json(request: Received) -> Reply:
        json.loads(request.body)
        return OK

    receiver.answer = is_json
    return Place({"url": receiver.url()})


def slack(item: dict[str, Any], receiver: Receiver) -> Place:
    if "bot_token" not in item:
        return Place({"url": receiver.url()})
    workspace = Workspace(SECRETS["SLACK_BOT_TOKEN"])
    receiver.answer, shown = workspace.answer, workspace.messages.values()
    return Place({"url": receiver.url("")}, is_over=lambda: [each.title[:1] for each in shown] == ["🟢"])


def teams(_: dict[str, Any], receiver: Receiver) -> Place:
    receiver.answer = Team().answer
    return Place({"url": receiver.url()})


def pagerduty(_: dict[str, Any], receiver: Receiver) -> Place:
    service = PagerDuty(SECRETS["PAGERDUTY_KEY"])
    receiver.answer = service.answer
    return Place({"url": receiver.url("")}, is_over=lambda: len(service.resolved) == 1 and not service.open)


def jsm(_: dict[str, Any], receiver: Receiver) -> Place:
    service = Jsm(key=SECRETS["JSM_API_KEY"])
    receiver.answer = service.answer
    return Place({"url": receiver.url("")}, is_over=lambda: len(service.closed) == 1 and not service.open)


def alertmanager(item: dict[str, Any], receiver: Receiver) -> Place:
    return Place({"urls": [receiver.url(f"/{number}") for number, _ in enumerate(item["urls"])]})


def commit_status(item: dict[str, Any], receiver: Receiver) -> Place:
    _, host_type, provider = HOSTS[item["type"]]
    host = host_type(REPOSITORY)
    host.token = SECRETS[f"{item['type'].upper()}_TOKEN"]
    receiver.answer = host.answer
    events = tuple(of(provider, status) for status in (IN_PROGRESS, FAILED, SUCCEEDED))
    return Place({"url": receiver.url("")}, events=events, is_over=lambda: [*map(len, host.statuses.values())] == [3])


POSTING: dict[str, Placing] = {
    "webhook": webhook,
    "slack": slack,
    "teams": teams,
    "pagerduty": pagerduty,
    "jsm": jsm,
    "alertmanager": alertmanager,
    "github": commit_status,
    "gitlab": commit_status,
    "bitbucket": commit_status,
}


def place_of(item: dict[str, Any], receiver: Receiver, folder: Path, ministack: Callable[[], Emulator]) -> Place:
    """Return where an example sends to instead of its own address."""
    if placing := POSTING.get(item["type"]):
        place = placing(item, receiver)
        place.keys |= LOCAL
        return place
    if item["type"] in BATCHED:
        aws = ministack()
        own = {"eventbridge": {}, "sns": {"topic": aws.topic(aws.queue())}, "sqs": {"queue": aws.queue()}}
        return Place({"endpoint_url": aws.url, **own[item["type"]]})
    if item["type"] == "notify":
        return Place(variables={"APPRISE_URL": f"json://127.0.0.1:{receiver.port}/"})
    return Place({"path": str(folder / "events.jsonl")} if item["type"] == "file" else {})


def requests_by_type() -> Iterator[tuple[str, list[int]]]:
    """The numbers of requests that a problem, a further one and the end take, by the document's table."""
    (table,) = re.findall(r"(?s)## What a sink costs\n.*?\n\|---.*?\n(.*?)\n\n", TEXT)
    for row in table.splitlines():
        names, counts, _ = (cell.strip() for cell in row.strip("|").split("|", 2))
        for name in re.findall(r"`(\w+)`", names):
            yield name + (" with a bot" if "with a bot" in names else ""), [*map(int, counts.split(","))]


REQUESTS = dict(requests_by_type())


def test_the_document_says_what_each_type_of_sink_costs() -> None:
    assert REQUESTS.keys() == {*SINKS, "slack with a bot"}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_is_accepted_and_takes_as_many_requests_as_the_document_says(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    item = EXAMPLES[name]
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        place = place_of(item, receiver, tmp_path, lambda: request.getfixturevalue("ministack"))
        form = {
            "stacks": [{"name": "network"}],
            "accounts": [{"name": name, "regions": ["us-east-1"]} for name in ("default", "prod")],
            "sinks": [item | place.keys],
        }
        text = yaml.safe_dump(form, sort_keys=False).encode()
        surroundings = SURROUNDINGS | SECRETS | place.variables
        (settings,) = parse(Document("watcher.yaml", text), surroundings, lambda _: None).sinks
        sink = settings.options.build(settings, Sessions())
        stack.push_async_callback(sink.close)
        counts, earlier = list[int](), None
        for number, event in enumerate(place.events, start=1):
            before = len(receiver.received)
            (outcome,) = await sink.send(
                [Delivery(number, name, event, opening=place.events[0] if number > 1 else None, earlier=earlier)]
            )
            assert outcome.verdict is Verdict.TAKEN, outcome
            earlier = outcome.text
            counts.append(len(receiver.received) - before)
    assert place.is_over()
    kind = item["type"] + (" with a bot" if "bot_token" in item else "")
    if item["type"] in BATCHED:
        assert sink.limits.batch == 10
    else:
        members = len(item.get("urls", [1]))
        assert [each / members for each in counts] == REQUESTS[kind]
