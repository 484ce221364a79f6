"""A scenario file: how it is parsed, and every fault in it with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.core.model import FAILED, INITIATED
from watcher.errors import ConfigError
from watcher.simulator.faults import FAULTS, Fault
from watcher.simulator.scenario_parser import load_scenario
from watcher.simulator.subject import Span, SyncSettings
from watcher.simulator.timeline import Stale, Status, Unsynced

LINK = "6053346f-8a33-4edb-9397-10394b695173"
EXAMPLE = Path(__file__).parents[3] / "config" / "scenario.yaml"


def faults_in(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_scenario(text, "s.yaml")
    return str(raised.value).splitlines()


def test_the_example_is_read_whole() -> None:
    scenario = load_scenario(EXAMPLE.read_text(), "scenario.yaml")
    timelines = {subject.key: each for subject, each in scenario.timelines}
    assert list(timelines) == [
        "template/ENVIRONMENT/fargate-env/1",
        "template/SERVICE/web/2",
        "template/SERVICE/queue-worker/1",
        "service-instance/shop/shop-prod",
        "stack/network",
        "stack/orders-db",
        f"repository/codeconnections/{LINK}/main",
        "stack/shop-api",
        "stack/shop-web",
        "stack/shop-jobs",
    ]
    assert [target.name for target in scenario.targets(region="eu-west-1")] == [
        "fargate-env",
        "web",
        "shop-prod",
        "orders-db",
    ]
    first = timelines["template/ENVIRONMENT/fargate-env/1"].scenes[0]
    assert isinstance(first.shows, Status)
    assert (first.shows.status, first.seconds) == (INITIATED, 2)
    assert first.shows.new_attempt
    assert first.shows.new_attempt.commit == "62c0f1e9a4b8d7c6e5f4a3b2c1d0e9f8a7b6c5d4"
    assert isinstance(timelines["template/SERVICE/web/2"].scenes[0].shows, Unsynced)
    network = timelines["stack/network"].scenes
    assert (network[2].shows.status, network[2].calls) == (FAILED, 3)  # type: ignore[union-attr]
    assert (network[3].shows, network[4].shows) == (Stale(1), Fault("not_found"))
    assert network[5].shows.new_attempt.recreated  # type: ignore[union-attr]
    assert network[5].shows.new_attempt.started == 3600  # type: ignore[union-attr]
    own, field, throttling, html, denied, second_page = scenario.fault_windows
    assert (own.key, own.fault.name, own.after, own.calls) == ("stack/orders-db", "hang", 5, 1)
    assert (field.fault.at, field.begin, field.end) == ("latestSync.status", 30, 40)
    assert (throttling.api, throttling.begin, html.region) == ("codeconnections", 60, "eu-west-1")
    assert (denied.operation, denied.account) == ("GetSyncBlockerSummary", "111122223333")
    assert (second_page.operation, second_page.page) == ("ListSyncConfigurations", 2)
    assert scenario.throttle
    assert (scenario.throttle.burst, scenario.keys, scenario.roles[0].lifetime) == (
        100,
        {"AKIAEXAMPLE": "example-secret"},
        900,
    )


def test_the_inventory_of_the_example_is_read_whole() -> None:
    scenario = load_scenario(EXAMPLE.read_text(), "scenario.yaml")
    assert (scenario.page_size, scenario.accounts) == (50, {"AKIASHOP": "111122223333"})
    (queue,) = scenario.queues
    assert (queue.name, queue.lost, queue.delay, queue.form) == ("git-sync", 0.02, (1, 3), "mixed")
    github, gitlab = scenario.connections
    assert (github.owner, gitlab.statuses) == ("444455556666", ((0, "PENDING"), (300, "AVAILABLE")))
    (repository,) = scenario.repositories
    assert (repository.link_id, repository.absent) == (LINK, (Span(1200, 1320),))
    subjects = {subject.key: subject for subject, _ in scenario.timelines}
    web = subjects["stack/shop-web"]
    assert (web.account, web.region, web.repository) == ("111122223333", "us-east-1", "example-org/shop")
    assert web.settings == SyncSettings(
        "deploy/web.yaml", "arn:aws:iam::111122223333:role/git-sync", "ENABLED", "FILE_CHANGE"
    )
    (blocker,) = web.blockers
    assert (blocker.active, blocker.contexts, blocker.kept) == (
        Span(60, 180),
        (("ConfigFile", "deploy/web.yaml"),),
        300,
    )
    assert subjects["stack/shop-api"].settings.moves == ((240, "release"),)
    assert subjects["stack/shop-jobs"].absent == (Span(0, 120),)
    assert not subjects["template/SERVICE/queue-worker/1"].synced


def test_a_blocker_needs_no_key_but_its_span() -> None:
    text = "stacks:\n- {name: n, life: [{statuses: [{status: FAILED}]}], blockers: [{from: 1m, for: 2m}]}"
    ((subject, _),) = load_scenario(text, "s.yaml").timelines
    (blocker,) = subject.blockers
    assert (blocker.active, blocker.reason, blocker.contexts) == (
        Span(60, 180),
        "The sync failed several times in a row",
        (),
    )


def test_the_example_names_every_fault() -> None:
    text = EXAMPLE.read_text()
    assert [name for name in FAULTS if name not in text] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "s.yaml:1:1: a scenario must be a mapping with at least `templates` or `stacks`"),
        ("stack: []", "s.yaml:1:1: stack: unknown key; did you mean 'stacks'?"),
        ("stacks:\n- {name: n}", "s.yaml:2:3: stacks[0].life: this key is missing"),
        (
            "stacks:\n- {name: n, life: [{fault: hangs}]}",
            "s.yaml:2:28: stacks[0].life[0].fault: did you mean hang?",
        ),
        (
            "stacks:\n- {name: n, life: [{stale: 1, call: 3}]}",
            "s.yaml:2:31: stacks[0].life[0].call: unknown key; did you mean 'calls'?",
        ),
        (
            "stacks:\n- {name: n, life: [{status: FAILED}]}",
            (
                "s.yaml:2:20: stacks[0].life[0]: an entry of a life must have exactly one of the keys "
                "statuses, fault, stale, unsynced"
            ),
        ),
        (
            "stacks:\n- {name: n, life: [{statuses: [{status: FAILED, for: 3}]}]}",
            "s.yaml:2:54: stacks[0].life[0].statuses[0].for: 3 has no unit; write 3s",
        ),
        (
            "stacks:\n- {name: n, repeat: true, life: [{statuses: [{status: FAILED}]}]}",
            (
                "s.yaml:2:33: stacks[0].life: only the last entry may last for ever, and none if the life repeats; "
                "add `for` or `calls`"
            ),
        ),
        (
            "stacks:\n- {name: n, life: [{unsynced: true, for: 1s, calls: 2}]}",
            "s.yaml:2:19: stacks[0].life: an entry may have `for` or `calls`, not both",
        ),
        (
            "stacks:\n- {name: n, life: [{unsynced: true}]}\n- {name: n, life: [{unsynced: true}]}",
            "s.yaml:3:3: stacks[1]: stack/n is in this scenario twice",
        ),
        (
            "repositories:\n- {name: o/r, commits: [{at: 1s, stacks: [b]}], stacks: [{name: a}]}",
            "s.yaml:2:43: repositories[0].commits[0].stacks[0]: 'b' is not one of the stacks of this repository",
        ),
        (
            "repositories:\n- {name: o/r, every: 1m, commits: [{at: 50s}], stacks: [{name: a}]}",
            (
                "s.yaml:2:22: repositories[0].every: the commits take longer than the time after which they come "
                "again; make it longer"
            ),
        ),
        (
            "repositories:\n- {name: o/r, stacks: [{name: a}]}\nstacks:\n- {name: a, life: [{unsynced: true}]}",
            "s.yaml:2:24: repositories[0].stacks[0]: stack/a is in this scenario twice",
        ),
        (
            "keys:\n- {access_key: A, account: '1'}",
            "s.yaml:2:28: keys[0].account: '1' is not a valid account number (example: 111122223333)",
        ),
        (
            "faults:\n- {fault: hang, operation: ListConnection}",
            "s.yaml:2:28: faults[0].operation: did you mean ListConnections?",
        ),
        (
            "stacks:\n- {name: n, repository: infra, life: [{unsynced: true}]}",
            "s.yaml:2:25: stacks[0].repository: must be OWNER/NAME",
        ),
    ],
)
def test_a_fault_has_its_place_and_what_to_write(text: str, fault: str) -> None:
    assert faults_in(text) == [fault]


def test_every_fault_is_told_at_once() -> None:
    text = """throttle: {requests_per_second: fast}
stacks:
- {name: '', life: []}
- {name: n, life: [{fault: x}], brunch: b}
"""
    assert [line.split(":")[1] for line in faults_in(text)] == ["1", "3", "4", "4"]
