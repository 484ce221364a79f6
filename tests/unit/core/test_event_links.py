"""The links of an event: those that are known, and none that could lead elsewhere."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.support.event_samples import (
    CONNECTION_ARN,
    ENDPOINT,
    FOUND,
    INSTANCE,
    LINKED,
    NETWORK,
    SHA,
    WEB,
    attempt,
    bodies,
    connection_change,
    outage,
    sync,
    trial,
)
from tests.unit.conftest import minute
from watcher.core.event_links import MAX_LINK_BYTES, event_links
from watcher.core.events import RESERVED_BYTES, Event
from watcher.core.incidents import IncidentStep, Problem, State, incident_to_json
from watcher.core.links import connection_page
from watcher.core.model import FAILED, Target, parse_rfc3339
from watcher.core.mutes import Mute
from watcher.core.stamps import stamped
from watcher.core.state import Incident
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template

PAGE = "https://watcher.example.com/sync/"
PROTON = "https://{0}.console.aws.amazon.com/proton/home?region={0}#/templates/{1}"
CLOUDFORMATION = "https://{0}.console.aws.amazon.com/cloudformation/home?region={0}#/stacks/stackinfo?stackId={1}"


def links_of(event: Event, public_url: str | None = None) -> dict[str, str]:
    (body,) = bodies(event)
    return event_links(body["data"], public_url)


def stack_event(target: Target, **revision: Any) -> Event:
    found = {"providerType": "GitHub", "ownerId": "example-org", "repositoryName": "infrastructure", "sha": SHA}
    made = replace(attempt(FAILED), target_revision={**found, **revision})
    return sync(made, target=target)


def test_a_stack_has_links_to_its_page_the_console_the_commit_and_its_deployment_file() -> None:
    repository = "https://github.com/example-org/infrastructure"
    assert links_of(stack_event(FOUND), PAGE) == {
        "page": PAGE + "targets/prod/eu-west-1/stack/shop",
        "console": CLOUDFORMATION.format("eu-west-1", "shop"),
        "repository": repository,
        "commit": f"{repository}/commit/{SHA}",
        "deployment_file": f"{repository}/blob/{SHA}/shop.yaml",
    }


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("GitHub", "https://github.com/example-org/infrastructure/blob/{}/a%20b/shop.yaml"),
        ("GitLab", "https://gitlab.com/example-org/infrastructure/-/blob/{}/a%20b/shop.yaml"),
        ("Bitbucket", "https://bitbucket.org/example-org/infrastructure/src/{}/a%20b/shop.yaml"),
    ],
)
def test_the_deployment_file_of_a_stack_may_be_known_from_its_revision(provider: str, path: str) -> None:
    found = links_of(stack_event(NETWORK, providerType=provider, directory="/a b/shop.yaml"))
    assert found["deployment_file"] == path.format(SHA)


@pytest.mark.parametrize(
    "revision",
    [{"directory": "/network"}, {"directory": None}, {"directory": "/a.yaml", "sha": "HEAD"},
     {"directory": "/a.yaml", "providerType": "GitHubEnterpriseServer"}, {"directory": "/a\n.yaml"}],
    ids=["a-folder", "none", "no-commit", "a-server-of-its-own", "a-control-character"],
)  # fmt: skip
def test_a_deployment_file_that_is_not_known_has_no_link(revision: dict[str, Any]) -> None:
    assert "deployment_file" not in links_of(stack_event(NETWORK, **revision))


def test_only_a_stack_has_a_link_to_a_deployment_file() -> None:
    assert "commit" in links_of(stack_event(WEB, directory="/a.yaml"))
    assert "deployment_file" not in links_of(stack_event(WEB, directory="/a.yaml"))


@pytest.mark.parametrize(
    ("event", "console"),
    [
        (sync(target=WEB), PROTON.format("eu-west-1", "services/detail/web")),
        (
            sync(target=template("a", "us-east-1", "ENVIRONMENT", "env", "1")),
            PROTON.format("us-east-1", "environments/detail/env"),
        ),
        (sync(target=stack("a", "cn-north-1", "network")),
         CLOUDFORMATION.format("cn-north-1", "network").replace("aws.amazon.com", "amazonaws.cn")),
        (sync(target=stack("a", "us-gov-west-1", "network")),
         CLOUDFORMATION.format("us-gov-west-1", "network").replace("aws.amazon.com", "amazonaws-us-gov.com")),
        (connection_change("ERROR"), connection_page(CONNECTION_ARN)),
        (sync(target=INSTANCE), None),
        (sync(target=LINKED), None),
    ],
    ids=["service-template", "environment-template", "china", "us-gov", "connection", "instance", "repository"],
)  # fmt: skip
def test_the_link_to_the_console_is_that_of_the_kind_and_the_partition(event: Event, console: str | None) -> None:
    assert links_of(event).get("console") == console


def test_an_endpoint_and_a_digest_have_a_link_to_the_overview_and_a_test_none() -> None:
    assert links_of(outage(ENDPOINT), PAGE) == {"page": PAGE}
    assert event_links({"digest": {}}, PAGE) == {"page": PAGE}
    assert links_of(outage(ENDPOINT)) == {}
    assert links_of(trial(), PAGE) == {}


def test_the_page_of_a_target_has_its_id_as_it_is_whether_the_url_ends_in_a_slash_or_not() -> None:
    event = sync(target=stack("a/b", "us-east-1", "network"))
    expected = PAGE + "targets/a%2Fb/us-east-1/stack/network"
    assert links_of(event, PAGE)["page"] == links_of(event, PAGE.rstrip("/"))["page"] == expected
    assert links_of(outage(ENDPOINT), "https://example.com/X")["page"] == "https://example.com/X/"


def test_what_is_added_to_an_event_has_room_in_it() -> None:
    long = replace(FOUND, found={**(FOUND.found or {}), "config_file": "x" * (MAX_LINK_BYTES - 110) + ".yaml"})
    event = stack_event(long)
    opened, ended = parse_rfc3339("2026-11-23T08:00:00.000001Z"), parse_rfc3339("2026-12-23T08:00:00Z")
    step = IncidentStep(State.RESOLVED, Incident("7" * 32, opened, (*Problem,)), ended)
    made = stamped(event, incident=step, public_url=PAGE, mute=Mute(reason="\x01" * 9_000), traceparent="0" * 55)
    found = json.loads(made.body)["data"]["links"]
    assert len(found["deployment_file"]) > MAX_LINK_BYTES - 50
    assert len(made.body) - len(event.body) + 4 * MAX_LINK_BYTES < RESERVED_BYTES


@pytest.mark.parametrize(("over", "kept"), [(0, True), (1, False)])
def test_a_link_of_the_longest_length_is_kept(over: int, *, kept: bool) -> None:
    url = "https://example.com/".ljust(MAX_LINK_BYTES - 1 + over, "x")
    assert links_of(outage(ENDPOINT), url) == ({"page": f"{url}/"} if kept else {})


def test_an_event_is_recorded_with_its_incident_its_links_and_the_trace_of_its_poll() -> None:
    event = sync(target=INSTANCE)
    step = IncidentStep(State.OPENED, Incident("7" * 32, minute(1), ("failed",)), None)
    made = stamped(event, incident=step, public_url=PAGE, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    (body,), (plain,) = bodies(made), bodies(event)
    assert (made.id, made.type, made.subject, made.time) == (event.id, event.type, event.subject, event.time)
    assert body.pop("traceparent") == f"00-{'a' * 32}-{'b' * 16}-01"
    assert body["data"].pop("incident") == incident_to_json(step)
    assert body["data"].pop("links") == links_of(event, PAGE)
    assert body == plain
