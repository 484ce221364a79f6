"""The JSON Schema takes what the program takes, and refuses what a person misspells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from watcher.config.json_schema import json_schema, json_schema_text
from watcher.sinks import SINKS
from watcher.sources import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "config" / "watcher.yaml"

# Right in form and wrong only across several keys, or in what a schema cannot see.
BEYOND_A_SCHEMA = {
    "which-account", "duplicate-targets", "retry-order", "http-open", "http-write-token", "duplicate-keys",
    "accounts-twice", "discover-connection", "discover-places",
    "digest-sinks", "nothing-to-watch", "mute-order", "sinks-reach", "sinks-remind", "sinks-same-file", "sinks-where",
}  # fmt: skip
NO_YAML = {
    "alias-bomb", "bracket-in-text", "bracket-not-closed", "colon-in-text", "deep", "indentation", "quote-not-closed",
    "reserved-character", "tab", "two-documents", "variable-in-braces", "yaml-extras",
}  # fmt: skip


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema(KINDS, SINKS))


def places(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every object schema's properties, wherever they are."""
    if isinstance(node, dict):
        for name, each in node.get("properties", {}).items():
            yield f"{path}.{name}", each
        for name, each in node.items():
            yield from places(each, f"{path}/{name}")
    elif isinstance(node, list):
        for each in node:
            yield from places(each, path)


def test_it_is_a_schema_and_names_its_draft() -> None:
    Draft202012Validator.check_schema(json_schema(KINDS, SINKS))
    assert json_schema(KINDS, SINKS)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_its_text_is_the_same_every_time() -> None:
    assert json_schema_text(KINDS, SINKS) == json_schema_text(KINDS, SINKS)
    assert json.loads(json_schema_text(KINDS, SINKS)) == json_schema(KINDS, SINKS)
    assert json_schema_text(KINDS, SINKS).endswith("}\n")


def test_every_key_is_described() -> None:
    schema = json_schema(KINDS, SINKS)
    for place, each in places(schema):
        described = each | schema["$defs"].get(each.get("$ref", "").rpartition("/")[2], {})
        assert described.get("description"), place


def test_no_object_takes_unknown_keys() -> None:
    schema = json_schema(KINDS, SINKS)
    sinks = schema["properties"]["sinks"]["items"]["anyOf"]
    assert {sink["properties"]["type"]["const"] for sink in sinks} == set(SINKS)
    assert all(each["additionalProperties"] is False for each in (schema, *schema["$defs"].values(), *sinks))


def test_durations_stand_as_they_are_written() -> None:
    schema = json_schema(KINDS, SINKS)
    assert schema["$defs"]["Defaults"]["properties"]["interval"]["default"] == "60s"
    assert schema["properties"]["state_retention"]["default"] == "30d"


def test_the_example_is_accepted_and_names_the_schema(validator: Draft202012Validator) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert list(validator.iter_errors(yaml.safe_load(text))) == []


def test_its_own_defaults_and_examples_are_accepted() -> None:
    schema = json_schema(KINDS, SINKS)
    for place, each in places(schema):
        rule = Draft202012Validator({**each, "$defs": schema["$defs"]})
        for value in [*each.get("examples", []), *([each["default"]] if "default" in each else [])]:
            assert rule.is_valid(value), place


@pytest.mark.parametrize(
    "text",
    [
        "http: off", 'http: "off"', "http: false", "http: {listen: '${LISTEN}'}", "http: ${HTTP}",
        "defaults: {interval: '${I}', on_first_seen: '${F:-all}', labels: {a: '${L}'}}",
        "rate_limit: {requests_per_second: '${R}', concurrency: '${C:-3}'}",
        "templates: [{name: '${N}', type: '${T}', version: '${V}', region: '${R}'}]",
        "accounts: [{name: a, profile: null, endpoint_url: null}]",
        "accounts: [{name: a, role_arn: 'arn:aws:iam::${A}:role/w', external_id: '${E}'}]",
        "sinks: [{name: a, type: stdout, replay_from: '2026-11-23 08:00:00.5+01:00', min_severity: '${S}'}]",
        "sinks: [{name: a, type: webhook, url: '${URL}', headers: {X-A: '${A}'}, mode: '${M:-binary}'}]",
        "sinks: [{name: a, type: slack, url: 'http://a:1/@b?c=@', allow_http: '${A}', group_wait: 0s}]",
        "sinks: [{name: a, type: eventbridge}, {name: b, type: sqs, queue: '${Q}'}]",
        "sinks: [{name: a, type: sns, topic: '${T}', account: '${A}'}, {name: b, type: notify, urls: ['${U}']}]",
        "sinks: [{name: a, type: file, path: a, max_size: '${M}', keep: '${K}'}]",
        "sinks: [{name: a, type: webhook, url: 'HTTPS://a.org', secret: null, secrets: null, mode: , headers: null}]",
        "sinks: [{name: a, type: file, path: a, max_size: null, keep: null, events: null, labels: , replay_from: }]",
        "sinks: [{name: a, type: slack, url: 'Http://a.org', template: , group_wait: null, allow_http: on, ca_file: }]",
        "tracing: {endpoint: 'http://a:4318', headers: {X-A: '${A}'}, sample: '${S:-1}'}",
        "tracing: {endpoint: '${URL}', headers: null, sample: 0}", "tracing:",
        "digest: {every: 'mon,thu 08:00', zone: '${Z}', to: stdout}", "digest: {every: '08:00', to: [stdout]}",
        "heartbeat: {url: '${URL}', method: '${M}', every: 1s}",
        "mute: [{targets: a, events: [watcher.*], from: '${F}', until: '2026-11-23T08:00:00Z', reason: '${R}'}]",
    ],
)  # fmt: skip
def test_what_the_program_takes_is_accepted(text: str, validator: Draft202012Validator) -> None:
    assert list(validator.iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize("file", sorted((HERE / "invalid").glob("*.yaml")), ids=lambda file: file.stem)
def test_what_the_program_refuses_is_refused(file: Path, validator: Draft202012Validator) -> None:
    if file.stem in NO_YAML:
        return
    assert validator.is_valid(yaml.safe_load(file.read_bytes())) == (file.stem in BEYOND_A_SCHEMA)
