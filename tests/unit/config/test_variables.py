"""Variables: what is filled in, what is refused, and that the structure is out of their reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.variables import fill
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config
    from watcher.errors import Fault

ENVIRON = {"A": "a", "EMPTY": "", "NESTED": "${A}", "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("${A}", "a"),
        ("x-${A}-${A}", "x-a-a"),
        ("${EMPTY}", ""),
        ("${A:-b}", "a"),
        ("${UNSET:-b}", "b"),
        ("${EMPTY:-b}", "b"),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:-b $ {}", "a:-b $ {"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$${A} ${A}", "${A} a"),
        ("${NESTED}", "${A}"),
        ("$A $ {A} a$", "$A $ {A} a$"),
    ],
)
def test_values_are_filled_in_once(text: str, filled: str) -> None:
    faults: list[str] = []
    assert fill(text, ENVIRON, faults.append) == filled
    assert faults == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("${UNSET}", "the variable UNSET is not set"),
        ("${A", "without a NAME"),
        ("${}", "without a NAME"),
        ("${1A}", "without a NAME"),
        ("${A-b}", "without a NAME"),
        ("${A${", "without a NAME"),
        ("${A B}", "without a NAME"),
        ("${UNSET:-${A}}", "the default of ${UNSET} must not have a variable in it"),
    ],
)
def test_what_cannot_be_filled_in_is_a_fault(text: str, fault: str) -> None:
    faults: list[str] = []
    fill(text, ENVIRON, faults.append)
    assert len(faults) == 1
    assert fault in faults[0]


def test_each_variable_that_is_not_set_is_named_at_its_line(faults: Callable[..., list[Fault]]) -> None:
    found = faults("stacks:\n  - name: ${ONE}-${TWO}\n  - name: ${THREE}\n")
    assert [(fault.line, fault.column, fault.path, fault.message.split(" is ")[0]) for fault in found] == [
        (2, 11, "stacks[0].name", "the variable ONE"),
        (2, 11, "stacks[0].name", "the variable TWO"),
        (3, 11, "stacks[1].name", "the variable THREE"),
    ]


def test_a_variable_may_fill_any_kind_of_value(read: Callable[..., Config]) -> None:
    environ = {
        **ENVIRON, "RPS": "0.5", "COUNT": "7", "TRUE": "true", "NAME": "123", "TIME": "90s", "VERSION": "2",
        "ADDRESS": "0.0.0.0:80", "OFF": "off",
    }  # fmt: skip
    config = read(
        """
rate_limit: {requests_per_second: "${RPS}", concurrency: "${COUNT}"}
unreadable_after: ${COUNT}
shutdown_grace: ${TIME}
http:
  listen: ${ADDRESS}
  insecure: ${TRUE}
templates:
  - name: ${NAME}
    type: SERVICE
    version: ${VERSION}
    interval: 1${COUNT}s
    labels: {count: "${COUNT}"}
""",
        environ,
    )
    assert config.accounts["default"].rate_limit.requests_per_second == 0.5
    assert config.accounts["default"].rate_limit.concurrency == 7
    assert (config.unreadable_after, config.shutdown_grace) == (7, 90)
    assert config.http is not None
    assert (config.http.host, config.http.port, config.http.insecure) == ("0.0.0.0", 80, True)  # noqa: S104  a value
    (target,) = config.targets
    assert (target.id, target.interval) == ("default/us-east-1/template/SERVICE/123/2", 17)
    assert target.labels == {"count": "7"}
    assert read("http: ${OFF}\nstacks: [{name: a}]", environ).http is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("unreadable_after: ${A}", "unreadable_after"),
        ("http: ${A}", "http"),
        ("templates: ${A}", "templates"),
        ("defaults: ${A}", "defaults"),
        ("defaults: {interval: '${A}'}", "defaults.interval"),
        ("defaults: {on_first_seen: '${A}'}", "defaults.on_first_seen"),
        ("defaults: {labels: '${A}'}", "defaults.labels"),
    ],
)
def test_a_wrong_value_is_shown_as_it_is_written(text: str, path: str, faults: Callable[..., list[Fault]]) -> None:
    (fault,) = faults(f"stacks: [{{name: x}}]\n{text}", {**ENVIRON, "A": "hush-hush"})
    assert fault.path == path
    assert "hush" not in fault.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sinks: [{name: a, type: '${A}'}]", "there is no sink of type '${A}', as filled in; choose from "),
        ("discover: [{kind: stack, account: '${A}'}]", "there is no account '${A}', as filled in; choose from default"),
        ("discover: [{kind: '${A}'}]", "'${A}', as filled in, is not a valid value; choose from "),
    ],
)
def test_a_choice_follows_a_value_that_was_filled_in(
    text: str, message: str, faults: Callable[..., list[Fault]]
) -> None:
    (fault,) = faults(f"stacks: [{{name: x}}]\n{text}", {**ENVIRON, "A": "hush-hush"})
    assert fault.message.startswith(message)
    assert "hush" not in fault.message


def test_keys_are_never_filled_in(faults: Callable[..., list[Fault]]) -> None:
    found = faults("${A}: []\nstacks: [{name: x}]", {**ENVIRON, "A": "templates"})
    assert [(fault.path, fault.message.partition(";")[0]) for fault in found] == [("'${A}'", "unknown key")]


@given(st.text())
def test_a_value_cannot_change_the_structure(value: str) -> None:
    """Whatever is in the variable, it stays one label of one stack."""
    text = "stacks:\n  - name: a\n    labels:\n      plain: ${V}\n      quoted: \"${V}\"\n      part: 'x ${V}'\n"
    config = parse(Document("f", text.encode()), {**ENVIRON, "V": value}, lambda _: None)
    assert [target.labels for target in config.targets] == [{"plain": value, "quoted": value, "part": f"x {value}"}]


@given(st.text())
def test_a_name_from_a_variable_obeys_the_rules_of_a_name(value: str) -> None:
    try:
        config = parse(Document("f", b"stacks:\n  - name: ${V}\n"), {**ENVIRON, "V": value}, lambda _: None)
    except ConfigError as error:
        assert [fault.path for fault in error.faults] == ["stacks[0].name"]  # noqa: PT017  either way is right
    else:
        assert [target.name for target in config.targets] == [value]
