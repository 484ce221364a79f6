"""Nothing secret stands in a message, whatever is wrong with it or around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.config import Config
    from watcher.errors import Fault

SECRET = "hunter2"

SECRET_FIELDS = {
    "external_id": "accounts: [{name: a, regions: [us-east-1], external_id: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "token": "http: {token: %s}\nstacks: [{name: x}]\nwrong: 1\n",
    "secret": "sinks: [{name: a, type: webhook, secret: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "secret of a known sink": "sinks: [{name: a, type: stdout, secret: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
}
SHAPES = [
    f'"{SECRET}"', f'"{SECRET}\\n"', f'"{SECRET} é"', f'"{SECRET}', f"[{SECRET}]", f"{{{SECRET}: {SECRET}}}",
    f"!{SECRET} x", f"*{SECRET}", f"&{SECRET} ''", f"@{SECRET}", f"`{SECRET}", f"%{SECRET}", f'"{SECRET}${{"',
    f"{SECRET}: {SECRET}", f'"{SECRET}${{UNSET}}"', f"| {SECRET}", f'"\\q{SECRET}"', f"{SECRET}]]",
    '"${HELD}"', '"${HELD}é"', f'"${{UNSET:-{SECRET}}}é"',
]  # fmt: skip


@pytest.mark.parametrize("text", SECRET_FIELDS.values(), ids=SECRET_FIELDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_field_is_never_shown(text: str, shape: str, faults: Callable[..., list[Fault]]) -> None:
    found = faults(text % shape, {"AWS_REGION": "us-east-1", "HELD": SECRET})
    assert found
    assert SECRET not in "\n".join(map(str, found))


@pytest.mark.parametrize("number", ["20070707", "2007-07-07", "0x2007"])
def test_a_secret_that_yaml_takes_for_something_else_is_not_shown(
    number: str, faults: Callable[..., list[Fault]]
) -> None:
    (fault,) = faults(f"http: {{token: {number}}}\nstacks: [{{name: x}}]")
    assert "put it in quotes" in fault.message
    assert "2007" not in fault.message


EVERY_FIELD = """
defaults: {interval: _V_, active_interval: _V_, stalled_after: _V_, timeout: _V_, on_first_seen: _V_, labels: {a: _V_}}
rate_limit: {requests_per_second: _V_, concurrency: _V_}
retry: {attempts: _V_, initial: _V_, maximum: _V_}
unreadable_after: _V_
accounts:
  - {name: _V_, regions: [_V_], role_arn: _V_, external_id: _V_, profile: _V_, endpoint_url: _V_}
  - {name: b, rate_limit: {requests_per_second: _V_, concurrency: _V_}}
  - {name: c, profile: _V_}
templates:
  - {name: _V_, type: _V_, version: _V_, account: _V_, region: _V_, interval: _V_, labels: {a: _V_}}
  - {name: web, type: SERVICE, version: 1, account: _V_}
  - {name: web, type: SERVICE, version: _V_, account: c}
stacks:
  - {name: _V_, account: b, region: _V_, timeout: _V_, stalled_after: _V_, active_interval: _V_, on_first_seen: _V_}
  - {name: _V_, account: c}
  - {name: _V_, account: c}
sinks:
  - {name: _V_, type: _V_, events: [_V_], targets: [_V_], labels: {a: _V_}}
  - {name: _V_, type: stdout, events: [_V_], targets: [_V_], labels: {a: _V_}}
  - {name: _V_, type: stdout}
  - {name: _V_, type: stdout}
state: _V_
http: {listen: _V_, token: _V_, insecure: _V_}
state_retention: _V_
shutdown_grace: _V_
"""
VALUES = [
    SECRET,
    f"{SECRET}\n\x00",
    f"http://me:{SECRET}@host",
    f"60{SECRET}",
    f"dynamodb://{SECRET}",
    f"- {SECRET}: *a",
    "7007",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("form", ["${V}", "${UNSET:-${V}}", "x${V}", "${V}${UNSET}"])
def test_a_variables_value_is_never_shown(value: str, form: str, faults: Callable[..., list[Fault]]) -> None:
    found = faults(EVERY_FIELD.replace("_V_", f'"{form}"'), {"V": value})
    assert len(found) > 10
    messages = "\n".join(fault.path + fault.message for fault in found)
    assert SECRET not in messages
    assert "7007" not in messages


def test_a_region_or_a_profile_of_the_surroundings_is_not_shown(faults: Callable[..., list[Fault]]) -> None:
    (fault,) = faults("stacks: [{name: x}]", {"AWS_REGION": SECRET})
    assert (fault.path, SECRET in fault.message) == ("stacks[0]", False)


def test_a_password_in_a_url_is_never_shown(faults: Callable[..., list[Fault]]) -> None:
    for url in (f"https://me:{SECRET}@host", f"https://me:p/{SECRET}@host", f"x//{SECRET} {SECRET}@"):
        found = faults(EVERY_FIELD.replace("_V_", f'"{url}"').replace("{a: ", f'{{a: x, "{url}": '))
        assert len(found) > 20
        assert SECRET not in "\n".join(map(str, found))


def test_settings_hold_secrets_so_that_they_do_not_print(read: Callable[..., Config]) -> None:
    config = read(f"http: {{token: {SECRET}}}\naccounts: [{{name: a, external_id: {SECRET}}}]\nstacks: [{{name: x}}]\n")
    assert config.http is not None
    assert config.http.token is not None
    assert config.http.token.get_secret_value() == SECRET
    assert SECRET not in repr(config)
