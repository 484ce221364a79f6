"""What is published beside the code is what the code says, and runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator

from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.json_schema import json_schema_text
from watcher.core.event_schema import event_schema
from watcher.simulator.generator import generate
from watcher.simulator.scenario_parser import load_scenario
from watcher.sinks import SINKS
from watcher.sources import KINDS

CONFIG = Path(__file__).parents[3] / "config"
SURROUNDINGS = {"AWS_REGION": "us-east-1"}
SECRETS = {
    "EXTERNAL_ID": "an-external-id",
    "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "OLD_SECRET": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "TOKEN": "open-sesame",
    "HEARTBEAT_URL": "https://hc-ping.com/x",
    "WATCHER_TOKEN": "a-token-for-readers",
    "WATCHER_WRITE_TOKEN": "a-token-for-operators",
    "SLACK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "SLACK_BOT_TOKEN": "xoxb-x",
    "TEAMS_URL": "https://prod-1.westeurope.logic.azure.com/workflows/w1/triggers/manual/paths/invoke?sig=hush",
    "GITHUB_TOKEN": "ghp_x",
    "GITLAB_TOKEN": "glpat-x",
    "BITBUCKET_TOKEN": "ATCTT3x",
    "MATTERMOST_URL": "https://chat.example.com/hooks/x",
    "DISCORD_URL": "https://discord.com/api/webhooks/1/x",
    "APPRISE_URL": "json://example.com",
    "JSM_API_KEY": "a1b2c3d4-e5f6-7890-a1b2-c3d4e5f67890",
    "PAGERDUTY_KEY": "R01234567890123456789012345678AB",
}


def test_the_published_schema_is_current() -> None:
    """`watcher schema > config/schema.json` makes it."""
    assert (CONFIG / "schema.json").read_text(encoding="utf-8") == json_schema_text(KINDS, SINKS)


def test_the_example_to_start_from_names_the_schema_and_is_valid() -> None:
    text = (CONFIG / "watcher.yaml").read_bytes()
    assert text.splitlines()[0] == b"# yaml-language-server: $schema=schema.json"
    assert parse(Document("watcher.yaml", text), SURROUNDINGS, lambda _: None).targets


def test_what_the_example_has_in_comments_is_valid_when_taken_in() -> None:
    """Each commented line is a key that exists, with a value that may stand there."""
    head, _, tail = (CONFIG / "watcher.yaml").read_text(encoding="utf-8").partition("# Everything below is optional.")
    head = re.sub(r"(?m)^( +)# (?=[ -]*[a-z_]+: )", r"\1", head)
    text = "\n".join([head, *(line.removeprefix("# ") for line in tail.splitlines()[1:])])
    config = parse(Document("watcher.yaml", text.encode()), SURROUNDINGS | SECRETS, lambda _: None)
    assert set(config.accounts) == {"prod"}
    assert "prod/eu-west-1/stack/shop" in {target.id for target in config.targets}
    assert {sink.type for sink in config.sinks} == set(SINKS)
    assert len(config.mutes) == 2


def test_every_example_of_a_sink_is_valid() -> None:
    """The YAML in `config/sinks.md`: lists for `sinks`, `mute`, and `digest`."""
    text = (CONFIG / "sinks.md").read_text(encoding="utf-8")
    head = "accounts: [{name: prod, regions: [us-east-1]}]\nstacks: [{name: network}]\n"
    types = set()
    for example in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        whole = f"{head}{example}" if example.startswith(("mute:", "digest:")) else f"{head}sinks:\n{example}"
        config = parse(Document("sinks.md", whole.encode()), SURROUNDINGS | SECRETS, lambda _: None)
        types |= {sink.type for sink in config.sinks}
    assert types == set(SINKS)
    assert set(re.findall(r"(?m)^## (\w+)$", text)) >= set(SINKS)


def test_the_configuration_in_the_readme_is_valid_and_every_type_of_sink_is_named() -> None:
    text = (CONFIG.parent / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    config = parse(Document("README.md", example.encode()), SURROUNDINGS | SECRETS, lambda _: None)
    assert {target.kind for target in config.targets} == {kind for kind in KINDS.values() if kind.section}
    (paragraph,) = re.findall(r"(?m)^- \*\*Sinks\*\*.*(?:\n  .*)*", text)
    assert set(re.findall(r"`(\w+)`", paragraph)) == set(SINKS)


def test_the_example_of_an_event_has_the_published_form() -> None:
    text = (CONFIG / "events.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    Draft202012Validator(event_schema(KINDS), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        json.loads(example)
    )


def test_the_demos_configuration_lists_or_discovers_all_of_the_made_up_world() -> None:
    config = parse(Document("demo.yaml", (CONFIG / "demo.yaml").read_bytes()), SURROUNDINGS, lambda _: None)
    discovered = {kind.name for rule in config.discover for kind in rule.kinds}
    world = {target.id for target in generate(1).targets("demo") if target.kind.name not in discovered}
    assert {target.id for target in config.targets} == world
    assert discovered == {"stack", "connection"}


def test_the_example_of_a_scenario_is_one() -> None:
    assert load_scenario((CONFIG / "scenario.yaml").read_text(encoding="utf-8"), "scenario.yaml").targets()
