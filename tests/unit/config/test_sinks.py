"""What a right sink means: what is routed to it, where it is, and what only its type has."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from standardwebhooks.webhooks import Webhook

from watcher.config.sink_model import ROUTABLE
from watcher.core.event_types import Severity
from watcher.core.sink_settings import SinkSettings
from watcher.messages.template import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from watcher.core.settings import Config
    from watcher.errors import Fault

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
STACK = "\nstacks: [{name: s, region: us-east-1}]\n"


@pytest.fixture
def sink(read: Callable[..., Config]) -> Callable[..., SinkSettings]:
    """The settings of one sink, named a, of these keys."""

    def of_keys(keys: str, more: str = "", **environ: str) -> SinkSettings:
        config = read(f"sinks: [{{name: a, {keys}}}]{STACK}{more}", {"AWS_REGION": "us-east-1", **environ})
        return config.sinks[0]

    return of_keys


@pytest.fixture
def fault(faults: Callable[..., list[Fault]]) -> Callable[..., Fault]:
    """The one fault of one sink, named a, of these keys."""

    def of_keys(keys: str, more: str = "", **environ: str) -> Fault:
        (found,) = faults(f"sinks: [{{name: a, {keys}}}]{STACK}{more}", {"AWS_REGION": "us-east-1", **environ})
        return found

    return of_keys


def test_a_sink_is_routed_by_event_target_label_and_severity(sink: Callable[..., SinkSettings]) -> None:
    found = sink("type: stdout, events: ['*.failed', watcher.test], targets: [default/*], labels: {team: x}")
    expected = SinkSettings("a", "stdout", ("*.failed", "watcher.test"), ("default/*",), {"team": "x"})
    assert replace(found, options=expected.options) == expected
    assert sink("type: stdout, min_severity: error").min_severity is Severity.ERROR


def test_how_long_a_sink_is_tried_and_how_often_it_is_reminded(sink: Callable[..., SinkSettings]) -> None:
    plain = sink("type: stdout")
    assert (plain.give_up_after, plain.remind_every) == (86_400, None)
    own = sink("type: stdout, give_up_after: 1s, remind_every: 100ms")
    assert (own.give_up_after, own.remind_every) == (1, 0.1)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2026-11-22T08:00:00Z", NOW - timedelta(days=1)),
        ('"2026-11-22T08:00:00Z"', NOW - timedelta(days=1)),
        ("2026-11-22t09:30:00.250+01:30", NOW - timedelta(days=1) + timedelta(seconds=0.25)),
        ("2026-11-22 00:00:00-08:00", NOW - timedelta(days=1)),
        ("${SINCE}", NOW - timedelta(minutes=1)),
    ],
)
def test_where_a_new_sinks_history_begins(written: str, moment: datetime, sink: Callable[..., SinkSettings]) -> None:
    found = sink(f"type: stdout, replay_from: {written if '$' not in written else repr(written)}", SINCE="1m")
    assert found.replay_from == moment
    assert found.replay_from.tzinfo is UTC


def options(settings: SinkSettings, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(settings.options, name) for name in names)


def test_a_webhook_by_default_is_structured_unsigned_and_safe(sink: Callable[..., SinkSettings]) -> None:
    found = sink("type: webhook, url: 'https://hooks.example.com/a?b=@c'")
    assert options(found, "url", "secret", "secrets", "mode", "headers") == (
        "https://hooks.example.com/a?b=@c", None, [], "structured", {},
    )  # fmt: skip
    assert options(found, "allow_http", "allow_private", "ca_file", "timeout") == (False, False, None, 10)
    assert (found.account, found.region) == (None, None)


def test_an_alert_service_has_its_own_url_or_another(
    sink: Callable[..., SinkSettings], fault: Callable[..., Fault]
) -> None:
    keys = "type: pagerduty, routing_key: '${K}'"
    assert options(sink(keys, K="x"), "url", "changes") == ("https://events.pagerduty.com", False)
    assert options(sink(f"{keys}, url: 'https://proxy.example.com/pd/'", K="x"), "url") == (
        "https://proxy.example.com/pd",
    )
    for url, said in (
        ("http://example.com", "http can be read on the network"),
        ("https://127.0.0.1", "set `allow_private: true`"),
        ("https://example.com/?a=b", "must not have a query"),
        ("https://me:secret@example.com", "must not have a user name"),
    ):
        found = fault(f"{keys}, url: '{url}'", K="x")
        assert found.path == "sinks[0].url"
        assert said in found.message
        assert "secret" not in found.message


def test_a_cluster_has_several_urls_each_of_which_is_checked(
    sink: Callable[..., SinkSettings], fault: Callable[..., Fault]
) -> None:
    found = sink("type: alertmanager, urls: ['https://a.org/', 'https://b.org/am']")
    assert options(found, "urls", "resend", "headers") == (["https://a.org", "https://b.org/am"], 60, {})
    wrong = fault("type: alertmanager, urls: ['https://a.org', 'http://b.org']")
    assert (wrong.path, "http can be read" in wrong.message) == ("sinks[0].urls[1]", True)
    assert fault("type: alertmanager, urls: []").path == "sinks[0].urls"


MAKE_ONE = (
    "this must be the base64 of 24 to 64 bytes, with or without whsec_ before it; "
    "`echo whsec_$(openssl rand -base64 32)` makes one"
)


def encoded(size: int) -> str:
    return b64encode(bytes(range(size))).decode()


@pytest.mark.parametrize("prefix", ["", "whsec_"])
@pytest.mark.parametrize("size", [24, 25, 32, 63, 64])
def test_a_secret_is_the_same_bytes_to_the_schemes_library(
    prefix: str, size: int, sink: Callable[..., SinkSettings]
) -> None:
    text = prefix + encoded(size)
    found = sink(f"type: webhook, url: https://example.com, secret: {text}, secrets: ['${{OLD}}']", OLD=text).options
    assert found.secret == found.secrets[0]
    assert Webhook(found.secret.get_secret_value())._whsecret == bytes(range(size))


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "ordinary words", "é" * 32, "x" * 41, "a" * 33, encoded(23), encoded(65), encoded(32) + "\n",
     "\n" + encoded(32), encoded(32) + " ", encoded(32).rstrip("="), encoded(24) + "=", "WHSEC_" + encoded(32),
     "whsec_whsec_" + encoded(32), urlsafe_b64encode(b"\xff" * 32).decode(), encoded(32).replace("8=", "9="),
     bytes(range(32)).hex() + "zz"],
)  # fmt: skip
def test_any_other_secret_is_a_fault_that_shows_how_to_make_one(text: str, fault: Callable[..., Fault]) -> None:
    found = fault('type: webhook, url: https://example.com, secret: "${SECRET}"', SECRET=text)
    assert (found.path, found.message) == (
        "sinks[0].secret",
        MAKE_ONE,
    )


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("off", False),
        ("'off'", False),
        ("no", False),
        ("'${P}'", False),
        ("http://proxy:3128", "http://proxy:3128"),
        ("'https://me:p%40ss@[fd12::1]:3128/'", "https://me:p%40ss@[fd12::1]:3128/"),
        ("http://127.0.0.1:3128", "http://127.0.0.1:3128"),
        ("null", None),
    ],
)
@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_a_sink_that_posts_may_have_a_proxy_or_none(
    kind: str, written: str, proxy: str | None, sink: Callable[..., SinkSettings]
) -> None:
    found = sink(f"type: {kind}, url: https://example.com, proxy: {written}", P="off")
    assert (found.options.proxy.get_secret_value() if isinstance(proxy, str) else found.options.proxy) == proxy
    assert "p%40ss" not in repr(found)


def test_headers_may_hold_secrets(sink: Callable[..., SinkSettings]) -> None:
    headers = sink(
        "type: webhook, url: https://a.org, headers: {X-Team: '${T}', Authorization: a b}", T="x"
    ).options.headers
    assert {name: value.get_secret_value() for name, value in headers.items()} == {
        "X-Team": "x",
        "Authorization": "a b",
    }


@pytest.mark.parametrize(
    "keys",
    [
        "url: http://example.com, allow_http: true",
        "url: https://127.0.0.1:8443, allow_private: true",
        "url: 'http://[::1]:80', allow_private: true, allow_http: true",
        "url: http://localhost, allow_private: yes, allow_http: on",
        "url: https://10.0.0.1",  # a private network's, where internal receivers are
        "url: https://localhost.example.com",
        "url: https://127.example.com",
    ],
)
def test_what_is_allowed_may_be_reached(keys: str, sink: Callable[..., SinkSettings]) -> None:
    assert sink(f"type: webhook, {keys}").options.url.startswith("http")


def test_certificates_are_loaded_when_the_configuration_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sink: Callable[..., SinkSettings],
    fault: Callable[..., Fault],
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = "type: webhook, url: https://example.com, ca_file: ca.pem"
    for text in ("", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "ca.pem").write_text(text)
        found = fault(keys)
        assert found.path == "sinks[0].ca_file"
        assert found.message.startswith("'ca.pem' has no certificate in it")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert sink(keys).options.ca_file == "ca.pem"


def test_what_people_read_may_wait_for_more_of_its_cause(sink: Callable[..., SinkSettings]) -> None:
    slack = sink("type: slack, url: '${U}'", U="https://hooks.slack.com/x")
    assert options(slack, "group_wait", "template", "timeout", "ca_file") == (0, None, 10, None)
    assert slack.options.url.get_secret_value() == "https://hooks.slack.com/x"
    assert options(sink("type: slack, url: https://a.org, group_wait: 0s"), "group_wait") == (0,)
    notify = sink("type: notify, urls: ['json://a.org', 'mailto://a:b@c.org'], group_wait: 10m")
    assert options(notify, "group_wait", "template", "title_template", "timeout") == (600, None, None, 30)
    assert [url.get_secret_value() for url in notify.options.urls] == ["json://a.org", "mailto://a:b@c.org"]


def test_a_template_is_checked_for_where_it_goes(
    sink: Callable[..., SinkSettings], fault: Callable[..., Fault]
) -> None:
    right, wrong = "{{ event.type }}", "{{ nothing_of_the_kind }}"
    for keys, name, escape in (
        ("type: slack, url: https://a.org", "template", "slack"),
        ("type: notify, urls: ['json://a.org']", "template", "text"),
        ("type: notify, urls: ['json://a.org']", "title_template", "text"),
    ):
        assert options(sink(f"{keys}, {name}: '{right}'"), name) == (right,)
        found = fault(f"{keys}, {name}: '{wrong}'")
        assert (found.path, found.message) == (f"sinks[0].{name}", check(wrong, escape=escape, types=ROUTABLE))
        assert "nothing_of" not in fault(f"{keys}, {name}: '${{T}}'", T=wrong).message


@pytest.mark.parametrize(
    ("routing", "wrong"),
    [
        ("events: [watcher.sync.failed, '*.stalled']", None),
        ("events: ['watcher.sync.*']", None),
        ("min_severity: error", "watcher.target.unreadable"),
        ("min_severity: error, events: ['watcher.sync.*', '*.readable']", None),
        ("events: ['watcher.*.readable']", "watcher.target.readable"),
        ("name: a", "watcher.target.unreadable"),
    ],
)
def test_a_template_is_checked_for_what_is_routed_to_it(
    routing: str, wrong: str | None, faults: Callable[..., list[Fault]]
) -> None:
    name = "" if "name" in routing else "name: a, "
    keys = "type: slack, url: https://a.org, template: '{{ event.data.attempt.status }}'"
    found = faults(f"sinks: [{{{name}{keys}, {routing}}}]{STACK}")
    assert [each.path for each in found] == (["sinks[0].template"] if wrong else [])
    assert not wrong or f"(with a sample of {wrong})" in found[0].message


def test_nothing_of_a_template_follows_from_a_wrong_routing(fault: Callable[..., Fault]) -> None:
    keys = "type: slack, url: https://a.org, template: '{{ event.data.attempt.status }}'"
    assert fault(f"{keys}, events: [watcher.sync.faild]").path == "sinks[0].events[0]"
    assert fault(f"{keys}, min_severity: wrong").path == "sinks[0].min_severity"


def test_without_apprise_the_fault_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Fault]
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    found = fault("type: notify, urls: ['hush://hush', 'json://a.org']")
    assert found.path == "sinks[0].type"
    assert "pip install '.[notify]'" in found.message


def test_what_is_not_configured_is_not_loaded() -> None:
    """Apprise and jinja2 cost a tenth of a second and some megabytes."""
    script = """
import sys
from watcher.config.document import Document
from watcher.cli.configuration import parse
text = b"stacks: [{name: s}]\\nsinks: [{name: a, type: webhook, url: https://a.org}, {name: b, type: sqs, queue: "
parse(Document("f", text + b"https://sqs.us-east-1.amazonaws.com/1/q}]"), {"AWS_REGION": "us-east-1"}, print)
print(*({"apprise", "jinja2", "botocore.loaders", "aiohttp"} & sys.modules.keys()))
"""
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "\n"


TOPIC = "arn:aws:sns:eu-west-1:111122223333:syncs.fifo"
BUS = "arn:aws-cn:events:cn-north-1:111122223333:event-bus/a.b"


@pytest.mark.parametrize(
    ("keys", "region"),
    [
        (f"type: sns, topic: '{TOPIC}'", "eu-west-1"),
        (f"type: sns, topic: '{TOPIC}', region: eu-west-1", "eu-west-1"),
        (f"type: eventbridge, bus: '{BUS}'", "cn-north-1"),
        ("type: eventbridge, bus: syncs", "us-east-1"),
        ("type: eventbridge", "us-east-1"),
        ("type: eventbridge, region: eu-north-1", "eu-north-1"),
        ("type: sqs, queue: 'https://sqs.ap-south-1.amazonaws.com/111122223333/syncs.fifo'", "ap-south-1"),
        ("type: sqs, queue: 'https://sqs.cn-north-1.amazonaws.com.cn/111122223333/syncs'", "cn-north-1"),
        ("type: sqs, queue: 'http://127.0.0.1:4566/000000000000/syncs'", "us-east-1"),
        ("type: sqs, queue: 'http://127.0.0.1:4566/000000000000/syncs', region: eu-west-3", "eu-west-3"),
    ],
)
def test_the_region_of_a_sink_at_aws(keys: str, region: str, sink: Callable[..., SinkSettings]) -> None:
    found = sink(keys)
    assert (found.region, found.account and found.account.name) == (region, "default")
    assert options(found, "endpoint_url", "timeout") == (None, 10)


def test_the_account_of_a_sink_at_aws_is_found_as_a_targets_is(read: Callable[..., Config]) -> None:
    config = read("""
accounts: [{name: default, regions: [eu-west-1]}, {name: bus, regions: [us-east-2], rate_limit: {concurrency: 3}}]
stacks: [{name: s}]
sinks: [{name: a, type: eventbridge}, {name: b, type: eventbridge, account: bus, bus: default}]
""")
    one, other = config.sinks
    assert (one.account, one.region) == (config.accounts["default"], "eu-west-1")
    assert (other.account, other.region) == (config.accounts["bus"], "us-east-2")


def test_a_sink_without_any_region_says_where_to_write_one(fault: Callable[..., Fault]) -> None:
    found = fault("type: eventbridge", AWS_REGION="")
    assert (found.path, found.message) == (
        "sinks[0]",
        "no region is known; add `region` to the sink, or set AWS_REGION",
    )


@pytest.mark.parametrize(
    ("written", "size"),
    [("1KB", 1000), ("500KB", 500_000), ("64MiB", 67_108_864), ("1GB", 10**9), ("1024GiB", 1024**4), ("1KiB", 1024)],
)
def test_how_large_a_file_may_become(written: str, size: int, sink: Callable[..., SinkSettings]) -> None:
    assert options(sink(f"type: file, path: a.jsonl, max_size: {written}, keep: 1"), "max_size", "keep") == (size, 1)


def test_a_file_by_default(tmp_path: Path, sink: Callable[..., SinkSettings]) -> None:
    path = str(tmp_path / "events.jsonl")
    assert options(sink(f"type: file, path: {path}"), "path", "max_size", "keep") == (path, 100 * 1024**2, 5)


def test_a_file_that_is_a_link_is_refused_before_it_is_written(tmp_path: Path, fault: Callable[..., Fault]) -> None:
    for target in (tmp_path / "file", tmp_path / "nothing", tmp_path):
        (tmp_path / "file").touch()
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(target)
        found = fault(f"type: file, path: {tmp_path}/link")
        assert found.path == "sinks[0].path"
        assert "is a symbolic link; name the file that it points to" in found.message


def test_the_files_of_the_state_are_known_by_their_real_names(tmp_path: Path, fault: Callable[..., Fault]) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "here", target_is_directory=True)
    (tmp_path / "state.db").symlink_to(tmp_path / "here" / "real.db")
    for name in ("link/real.db", "here/real.db-wal", "link/real.db.lock"):
        found = fault(f"type: file, path: {tmp_path}/{name}", f"state: sqlite:///{tmp_path}/state.db")
        assert (found.path, "is used by `state`" in found.message) == ("sinks[0].path", True)
    found = fault(f"type: file, path: {tmp_path}/x", f"state: sqlite:///{tmp_path}/x.3")
    assert found.message == "its older file, with .3 at its end, is used by `state`; name another file"


@pytest.mark.parametrize(
    ("content", "holds_events"),
    [
        (b"", True),
        (b'{"spec', True),
        (b'{"specversion": "1.0"}\n', True),
        (b"stacks: []\n", False),
        (b'{"watcher_state": 1}\n', False),
        (b"SQLite format 3\x00", False),
        (b"\n", False),
    ],
)
@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.5"])
def test_a_file_sink_writes_and_rotates_into_its_own_events_only(
    tmp_path: Path, faults: Callable[..., list[Fault]], name: str, content: bytes, *, holds_events: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    found = faults(f"sinks: [{{name: a, type: file, path: {tmp_path}/events.jsonl}}]{STACK}")
    which = "this file" if name == "events.jsonl" else "its older file, with .5 at its end,"
    message = f"watcher.yaml:1:37: sinks[0].path: {which} holds something other than events; name another file"
    assert [*map(str, found)] == ([] if holds_events else [message])


def test_the_configuration_is_written_by_no_sink_and_holds_no_state(
    tmp_path: Path, faults: Callable[..., list[Fault]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    found = faults(f"sinks: [{{name: a, type: file, path: link/watcher.yaml}}]{STACK}state: sqlite:///watcher.yaml")
    assert [*map(str, found)] == [
        "watcher.yaml:1:37: sinks[0].path: this file is the configuration; name another file",
        "watcher.yaml:3:8: state: this file is the configuration; name another file",
    ]


def test_state_in_memory_uses_no_file(sink: Callable[..., SinkSettings]) -> None:
    assert options(sink("type: file, path: watcher.db", "state: memory://"), "path") == ("watcher.db",)


def test_two_ways_to_one_file_are_one_file(tmp_path: Path, faults: Callable[..., list[Fault]]) -> None:
    """Two writers would rotate it under each other."""
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    found = faults(f"""
stacks: [{{name: s}}]
sinks:
  - {{name: a, type: file, path: {tmp_path}/events.jsonl}}
  - {{name: b, type: file, path: {tmp_path}/link/events.jsonl}}
""")
    assert [each.path for each in found] == ["sinks[1].path"]


def test_a_github_app_needs_its_whole_private_key(
    sink: Callable[..., SinkSettings], fault: Callable[..., Fault]
) -> None:
    pytest.importorskip("jwt", reason="the extra `github` is not installed")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoded = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = key.private_bytes(*encoded).decode()
    public = key.public_key().public_bytes(encoded[0], serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    keys = "type: github, app_id: 123456, installation_id: '7654321', private_key: '${KEY}'"
    for written in (pem, pem.replace("\n", "\\n")):
        found = sink(keys, KEY=written)
        assert options(found, "token", "app_id", "installation_id") == (None, "123456", "7654321")
        assert found.options.private_key.get_secret_value() == pem.strip()
    for wrong in ("hush", pem[:400], public):
        found = fault(keys, KEY=wrong)
        assert found.message == "this must be the App's private key: the whole PEM file, from BEGIN to END"


@pytest.mark.parametrize("kind", ["github", "gitlab", "bitbucket"])
def test_a_commit_status_is_for_every_event(kind: str, sink: Callable[..., SinkSettings]) -> None:
    found = sink(f"type: {kind}, token: x, events: [], min_severity: info, labels: {{team: x}}")
    assert (found.events, found.min_severity, found.labels) == ((), Severity.INFO, {"team": "x"})
