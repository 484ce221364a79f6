"""What is published beside the code is what the code says, and runs."""

from __future__ import annotations

from pathlib import Path

from watcher.config.document import Document
from watcher.config.json_schema import json_schema_text
from watcher.config.reading import parse
from watcher.simulator import load_scenario, seeded

CONFIG = Path(__file__).parents[2] / "config"
SURROUNDINGS = {"AWS_REGION": "us-east-1"}


def test_the_published_schema_is_current() -> None:
    """`watcher schema > config/schema.json` makes it."""
    assert (CONFIG / "schema.json").read_text(encoding="utf-8") == json_schema_text()


def test_the_example_to_start_from_names_the_schema_and_is_valid() -> None:
    text = (CONFIG / "watcher.yaml").read_bytes()
    assert text.splitlines()[0] == b"# yaml-language-server: $schema=schema.json"
    assert parse(Document("watcher.yaml", text), SURROUNDINGS, lambda _: None).targets


def test_what_the_example_has_in_comments_is_valid_when_taken_in() -> None:
    """Each commented line is a key that exists, with a value that may stand there."""
    lines = (CONFIG / "watcher.yaml").read_text(encoding="utf-8").splitlines()
    optional = next(number for number, line in enumerate(lines) if line.startswith("# defaults:"))
    text = "\n".join([*lines[:optional], *(line.removeprefix("# ") for line in lines[optional:])])
    config = parse(Document("watcher.yaml", text.encode()), SURROUNDINGS | {"EXTERNAL_ID": "x" * 8}, lambda _: None)
    assert set(config.accounts) == {"prod"}


def test_the_demos_configuration_watches_all_of_the_made_up_world() -> None:
    config = parse(Document("demo.yaml", (CONFIG / "demo.yaml").read_bytes()), SURROUNDINGS, lambda _: None)
    assert {target.id for target in config.targets} == {target.id for target in seeded(1).targets("demo")}


def test_the_example_of_a_scenario_is_one() -> None:
    assert load_scenario((CONFIG / "scenario.yaml").read_text(encoding="utf-8"), "scenario.yaml").targets()
