"""No message shows a secret, whatever is wrong with the secret or with the text around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from watcher.config.secrets import secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config
    from watcher.errors import Fault

SECRET = "hunter2"

SECRET_FIELDS = {
    "external_id": "accounts: [{name: a, regions: [us-east-1], external_id: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "token": "http: {token: %s}\nstacks: [{name: x}]\nwrong: 1\n",
    "secret": "sinks: [{name: a, type: webhook, url: https://x.y, secret: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "secrets": "sinks: [{name: a, type: webhook, url: https://x.y, secrets: [%s]}]\nstacks: [{name: x}]\nwrong: 1\n",
    "header": "sinks: [{name: a, type: webhook, url: https://x.y, headers: {A: %s}}]\nstacks: [{name: x}]\nwrong: 1\n",
    "proxy": "sinks: [{name: a, type: webhook, url: https://x.y, proxy: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "url": "sinks: [{name: a, type: slack, url: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "urls": "sinks: [{name: a, type: notify, urls: [%s]}]\nstacks: [{name: x}]\nwrong: 1\n",
    "routing_key": "sinks: [{name: a, type: pagerduty, routing_key: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "api_key": "sinks: [{name: a, type: jsm, api_key: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
    "header of alerts": (
        "sinks: [{name: a, type: alertmanager, urls: [https://x.y], headers: {A: %s}}]\nstacks: [{name: x}]\nwrong: 1\n"
    ),
    "header of traces": "tracing: {endpoint: https://x.y, headers: {A: %s}}\nstacks: [{name: x}]\nwrong: 1\n",
    "secret of another sink": "sinks: [{name: a, type: stdout, secret: %s}]\nstacks: [{name: x}]\nwrong: 1\n",
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
  - {name: _V_, type: stdout, min_severity: _V_, remind_every: _V_, give_up_after: _V_, replay_from: _V_}
  - {name: a, type: webhook, url: _V_, secret: _V_, mode: _V_, ca_file: _V_, allow_http: _V_, allow_private: _V_}
  - {name: b, type: slack, url: _V_, proxy: _V_, template: _V_, group_wait: _V_, timeout: _V_}
  - {name: c, type: notify, urls: [_V_], template: _V_, title_template: _V_}
  - {name: h, type: github, token: _V_, app_id: _V_, private_key: _V_, installation_id: _V_, url: _V_}
  - {name: l, type: gitlab, token: _V_, url: _V_}
  - {name: i, type: bitbucket, token: _V_, url: _V_, events: _V_, min_severity: _V_}
  - {name: s, type: slack, bot_token: _V_, channel: _V_, url: _V_}
  - {name: t, type: teams, url: _V_, group_wait: _V_}
  - {name: u, type: webhook, url: _V_, content_type: _V_, template: _V_}
  - {name: p, type: pagerduty, routing_key: _V_, changes: _V_, url: _V_}
  - {name: j, type: jsm, api_key: _V_, url: _V_}
  - {name: n, type: alertmanager, urls: [_V_], resend: _V_, headers: {A: _V_}}
  - {name: d, type: eventbridge, bus: _V_, account: _V_, region: _V_, endpoint_url: _V_}
  - {name: e, type: sns, topic: _V_}
  - {name: f, type: sqs, queue: _V_}
  - {name: g, type: file, path: _V_, max_size: _V_, keep: _V_}
mute:
  - {targets: _V_, events: _V_, from: _V_, until: _V_, reason: _V_}
  - {targets: _V_, when: {days: _V_, from: _V_, to: _V_, zone: _V_}}
digest: {every: _V_, zone: _V_, to: [_V_]}
heartbeat: {url: _V_, fail_url: _V_, every: _V_, stale_after: _V_, method: _V_, headers: {A: _V_}, timeout: _V_}
state: _V_
http: {listen: _V_, token: _V_, insecure: _V_}
tracing: {endpoint: _V_, headers: {A: _V_}, sample: _V_}
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


EVERY_SECRET = """
http: {token: hush-token}
heartbeat: {url: "https://example.com/hush-of-the-heartbeat?t={reason}", headers: {A: Bearer hush-beats}}
tracing: {endpoint: "https://example.com", headers: {X-Team: hush, Authorization: Bearer hush-traces}}
accounts: [{name: a, external_id: hush-id}, {name: b, external_id: hush-other-id}]
stacks: [{name: x, account: a}]
sinks:
  - name: hook
    type: webhook
    url: https://example.com
    secret: aHVzaC1zZWNyZXQuLi4uLi4uLi4uLi4u
    secrets: [aHVzaC1vbGQuLi4uLi4uLi4uLi4uLi4u, aHVzaC1vbGRlci4uLi4uLi4uLi4uLi4u]
    headers: {Authorization: Bearer hush-header}
    proxy: http://hush-user:hush-password@proxy:3128
  - {name: chat, type: slack, url: "https://example.com/hush-slack"}
  - {name: pagers, type: notify, urls: ["json://example.com/hush-one", "mailto://me:hush-two@example.com"]}
  - {name: way, type: webhook, url: "https://example.com/hooks/hush-in-the-path%21/x?to=me&t=hush%2Bvalue&hush-alone"}
  - {name: room, type: slack, url: "https://example.com/services/T00000000/hush-of-the-channel"}
  - {name: commits, type: github, token: hush-github}
  - {name: jobs, type: gitlab, token: hush-gitlab}
  - {name: builds, type: bitbucket, token: hush-bitbucket}
  - {name: bot, type: slack, bot_token: hush-bot, channel: C1}
  - {name: team, type: teams, url: "https://example.com/hush-teams"}
  - {name: on-call, type: pagerduty, routing_key: hush-routing-key}
  - {name: jira, type: jsm, api_key: hush-api-key}
  - {name: alerts, type: alertmanager, urls: ["https://example.com"], headers: {Authorization: Bearer hush-alerts}}
"""


def test_every_secret_is_known_so_that_it_can_be_hidden(read: Callable[..., Config]) -> None:
    found = list(secrets_of(read(EVERY_SECRET)))
    assert sorted(found) == sorted([
        "Bearer hush-header", "https://example.com/hush-slack", "hush-id", "https://example.com/hush-teams",
        "hush-bot", "hush-github", "hush-gitlab", "hush-bitbucket",
        "aHVzaC1vbGQuLi4uLi4uLi4uLi4uLi4u", "aHVzaC1vbGRlci4uLi4uLi4uLi4uLi4u",
        "hush-other-id", "aHVzaC1zZWNyZXQuLi4uLi4uLi4uLi4u", "hush-token", "Bearer hush-traces",
        "json://example.com/hush-one", "mailto://me:hush-two@example.com",
        # of URLs: also what a receiver could repeat of them
        "https://example.com/services/T00000000/hush-of-the-channel", "hush%2Bvalue", "hush+value", "hush-alone",
        "hush-in-the-path!", "hush-in-the-path%21", "hush-of-the-channel",
        "http://hush-user:hush-password@proxy:3128", "hush-routing-key", "hush-api-key",
        "Bearer hush-alerts", "Bearer hush-beats", "hush-of-the-heartbeat", "hush-of-the-heartbeat",
        "https://example.com/hush-of-the-heartbeat?t={reason}",
        "https://example.com/hush-of-the-heartbeat/fail?t={reason}",
    ])  # fmt: skip


def test_settings_hold_secrets_so_that_they_do_not_print(read: Callable[..., Config]) -> None:
    assert "hush" not in repr(read(EVERY_SECRET))


def test_what_apprise_logs_about_a_url_is_not_logged(
    faults: Callable[..., list[Fault]], caplog: pytest.LogCaptureFixture
) -> None:
    (fault,) = faults(f"sinks: [{{name: a, type: notify, urls: ['slack://{SECRET}']}}]\nstacks: [{{name: x}}]")
    assert "slack://" in fault.message
    assert SECRET not in fault.message
    assert caplog.records == []
