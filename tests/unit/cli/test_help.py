"""The help of the command line."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from watcher.cli import COMMANDS, cli, main


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_the_first_sentence_of_its_help(name: str) -> None:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert " ".join((command.help or "").split()).startswith(COMMANDS[name])
    assert cli.list_commands(context) == list(COMMANDS)


def test_help_imports_no_command() -> None:
    script = """import sys
from watcher.cli import cli
cli.main(["--help"], prog_name="watcher", standalone_mode=False)
print(*(name for name in sys.modules if name.startswith("watcher.")))"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "healthcheck" in said
    loaded = said.splitlines()[-1].split()
    assert {"watcher.cli", "watcher.errors"} <= {*loaded}
    assert not [name for name in loaded if name.startswith(("watcher.cli.", "watcher.core", "watcher.config"))]


@pytest.mark.parametrize(
    ("commands", "absent"),
    [
        (["deliveries", "events", "healthcheck", "validate"], {"pydantic", "structlog", "aiobotocore", "cloudevents"}),
        (["state", "status"], {"pydantic", "structlog", "aiobotocore"}),
    ],
)
def test_a_commands_help_loads_only_what_prints_it(commands: list[str], absent: set[str]) -> None:
    script = f"""import sys
from watcher.cli import cli
for command in {commands}:
    cli.main([command, "--help"], prog_name="watcher", standalone_mode=False)
print(*sys.modules)"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    loaded = {*said.splitlines()[-1].split()}
    assert {f"watcher.cli.{command}" for command in commands} <= loaded
    assert not absent & loaded


def test_an_option_that_is_missing_is_named_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="64"):
        main(["mute", "*/stack/shop"])
    assert "Missing option '--for'.\n  --for: How long, such as 30m, 2h or 7d.\n" in capsys.readouterr().err
