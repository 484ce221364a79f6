"""Whatever is given to a command, it ends with a sentence and a documented exit code: never as a bug."""

from __future__ import annotations

import asyncio
import errno
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import pytest

from watcher.cli import CERTIFICATES, cli, main
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

UNDECODABLE = "\udcff"
"""The byte ff, as Python has it in arguments and variables."""

VARIABLES = ("WATCHER_CONFIG", "WATCHER_CONFIG_YAML", "WATCHER_URL", "WATCHER_EMF", "WATCHER_EMF_SERVICE")


def parameters(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    """Every command with each parameter that takes a value."""
    for parameter in command.params:
        if isinstance(parameter, click.Argument) or not parameter.is_flag:  # type: ignore[attr-defined]
            yield path, parameter
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from parameters(each, (*path, name))


def given(path: tuple[str, ...], parameter: click.Parameter, value: str) -> list[str]:
    return [*path, *([] if isinstance(parameter, click.Argument) else [parameter.opts[0]]), value]


TABLE = [*parameters(cli)]
LASTING = ("run", "simulate", "demo")
TEXTS = ("", "\n", "nan", "1" * 5000)
FILES = ("/dev/zero", "/", "/dev/null")

ODD = [
    *(given(path, each, UNDECODABLE) for path, each in TABLE),
    *(given(path, each, text) for path, each in TABLE if path[0] not in LASTING for text in TEXTS),
    *(given(path, each, name) for path, each in TABLE if each.name == "config" for name in FILES),
    [UNDECODABLE],
    ["events", "--since", "99999999999999d"],
    ["events", "--limit", "99999999999999999999"],
    ["state", "export", "."],
    ["state", "export", "/dev/null"],
    ["state", "export", "x" * 300],
    ["state", "import", "."],
    ["state", "import", "watcher.yaml"],
    ["simulate", "--scenario", "/dev/zero"],
    ["simulate", "--scenario", "."],
    ["simulate", "--scenario", "nowhere"],
    ["simulate", "--scenario", "state.db"],
    ["simulate", "--host", "8.8.8.8"],
    ["simulate", "--pace", "nan"],
    ["simulate", "--pace", "inf"],
    ["demo", "--pace", "nan"],
    ["demo", "--for", "1e9s"],
    ["healthcheck", "--url", "http://[::1"],
    ["healthcheck", "--url", "http://127.0.0.1:99999"],
    ["healthcheck", "--url", "http://a..b"],
    ["healthcheck", "--url", "file:///etc/passwd"],
]  # fmt: skip


@pytest.fixture(scope="module")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a state that knows one sink."""
    path = tmp_path_factory.mktemp("state") / "state.db"

    async def write() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.set_sinks(["out"], datetime.now(UTC))
        await store.close()

    asyncio.run(write())
    return path.read_bytes()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_state: bytes) -> Path:
    """A folder with a configuration and an empty state."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "watcher.yaml").write_text(
        "stacks: [{name: network, region: us-east-1}]\nstate: sqlite:///state.db\nhttp: off\n"
        "sinks: [{name: out, type: file, path: events.jsonl}]\n"
        "accounts: [{name: default, endpoint_url: 'http://127.0.0.1:1'}]\nretry: {attempts: 1}\n",
        encoding="utf-8",
    )
    (tmp_path / "state.db").write_bytes(empty_state)
    return tmp_path


def code_of(arguments: Sequence[str]) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


@pytest.mark.parametrize("arguments", ODD, ids=lambda arguments: ascii(" ".join(arguments))[:80])
def test_odd_input_is_not_a_bug(place: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = (place / "state.db").read_bytes()
    code = code_of(arguments)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert code in {0, 1, 3, 64, 69, 73, 78}, said
    assert code == 0 or said
    if UNDECODABLE in arguments:
        assert code == (3 if "check" in arguments else 64)
        assert said == "watcher: the argument '\\xff' is not UTF-8 text\n"
    assert (place / "state.db").read_bytes() == before


@pytest.mark.parametrize("variable", CERTIFICATES)
@pytest.mark.parametrize(("command", "code"), [("check", 3), ("run", 64)])
def test_a_pipe_is_not_read_for_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    variable: str, command: str, code: int,
) -> None:  # fmt: skip
    """A library would wait without end, some of them on import."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv(variable, str(tmp_path / "pipe"))
    assert code_of([command]) == code
    assert capsys.readouterr().err == f"watcher: the variable {variable} names {tmp_path}/pipe: not a regular file\n"


@pytest.mark.parametrize("variable", CERTIFICATES)
@pytest.mark.parametrize("named", ["{here}", "{here}/nothing", "{here}/state.db", "/dev/null", ""])
def test_what_can_be_read_without_a_wait_is_left_to_the_libraries(
    place: Path, monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    monkeypatch.setenv(variable, named.format(here=place))
    assert code_of(["schema"]) == 0


def test_a_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["chekc"]) == 64
    assert "No such command 'chekc'. Did you mean 'check'?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["check"], ["run"], ["validate"], ["simulate", "--scenario", "x"]])
def test_a_working_directory_that_was_removed_is_named(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    assert code_of(arguments) == (3 if arguments == ["check"] else 64)
    assert capsys.readouterr().err == (
        "watcher: the working directory cannot be found (No such file or directory); change to another directory\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.EIO, "Input/output error"), 69, "the output could not be written: Input/output error"),
        (OSError(errno.EBADF, "Bad file descriptor"), 69, "the output could not be written: Bad file descriptor"),
        (PermissionError(errno.EACCES, "AKIAIOSFODNN7EXAMPLE"), 70, "PermissionError: [Errno 13] [redacted]"),
    ],
)
def test_an_error_of_the_system_ends_no_command_with_an_exit_code_of_python(
    error: OSError, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    for arguments, expected in ((["schema"], code), (["check"], 3)):
        assert code_of(arguments) == expected
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_that_is_not_text_is_named(
    place: Path, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place
    monkeypatch.setenv(variable, UNDECODABLE)
    assert code_of(["status"]) == (78 if variable == "WATCHER_CONFIG_YAML" else 64)
    said = capsys.readouterr().err
    assert said.startswith(
        f"{variable}:1:1: this is not" if variable.endswith("YAML") else f"watcher: {variable} '\\xff'"
    )
