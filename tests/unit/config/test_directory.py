"""A configuration in several files of a directory: what is joined, and where its faults are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.cli.configuration import parse
from watcher.config.document import MAX_BYTES, Document, locate
from watcher.config.listen_address import listening_at
from watcher.core.settings import Config
from watcher.errors import ConfigError

SETTINGS = "defaults: {interval: 30s}\nstacks: [{name: a}]\n"


def written(folder: Path, **texts: str) -> Document:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return locate("conf", {}, folder.parent)


def parsed(document: Document) -> Config:
    return parse(document, {"AWS_REGION": "us-east-1"}, lambda _: None)


def faults(document: Document) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parsed(document)
    return [str(fault) for fault in refused.value.faults]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    return tmp_path / "conf"


def test_lists_are_joined_in_order_of_name_and_what_is_empty_adds_nothing(folder: Path) -> None:
    document = written(folder, b="stacks: [{name: b}]\nsinks:\n", a=SETTINGS, c="# later\n", d="sinks: []\nmute:\n")
    config = parsed(document)
    assert [target.name for target in config.targets] == ["a", "b"]
    assert {target.interval for target in config.targets} == {30.0}
    assert config.place == "conf"
    assert config.files == ("conf/a.yaml", "conf/b.yaml", "conf/c.yaml", "conf/d.yaml")


def test_a_rule_is_named_with_its_file(folder: Path) -> None:
    rules = "discover: [{kind: stack}]\n"
    assert [rule.place for rule in parsed(written(folder, a=rules, b=rules)).discover] == [
        "discover[0] of conf/a.yaml",
        "discover[0] of conf/b.yaml",
    ]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        pytest.param(
            {"b": "# second\ndefaults: {interval: 1m}\n"},
            "conf/b.yaml:2:1: defaults: this key is given twice; the first is on line 1 of conf/a.yaml, and only lists "
            "are joined",
            id="a key that is no list",
        ),
        pytest.param(
            {"b": "stacks: {name: b}\n"},
            "conf/b.yaml:1:1: stacks: this key is given twice; the first is on line 2 of conf/a.yaml, and only lists "
            "are joined",
            id="a list and a mapping",
        ),
        pytest.param(
            {"b": "stacks:\n  - {name: b}\n  - {name: a}\n"},
            "conf/b.yaml:3:5: stacks[1]: this target is already listed: stacks[0], on line 2 of conf/a.yaml",
            id="a target",
        ),
        pytest.param(
            {"b": "sinks: [{name: x, type: stdout}]\n", "c": "sinks: [{name: x, type: stdout}]\n"},
            "conf/c.yaml:1:16: sinks[0].name: this sink name is already used on line 1 of conf/b.yaml",
            id="the name of a sink",
        ),
        pytest.param(
            {"b": "sinks: [{name: x, type: file, path: f}]\n", "c": "sinks: [{name: y, type: file, path: f}]\n"},
            "conf/c.yaml:1:37: sinks[0].path: this file is used by another sink, on line 1 of conf/b.yaml; name "
            "another file",
            id="the file of a sink",
        ),
        pytest.param(
            {"b": f"hints: [{{queue: '{(queue := 'https://sqs.us-east-1.amazonaws.com/111122223333/q')}'}}]\n",
             "c": f"hints: [{{queue: '{queue}'}}]\n"},
            "conf/c.yaml:1:17: hints[0].queue: this queue is already listed on line 1 of conf/b.yaml",
            id="a queue",
        ),
        pytest.param(
            {"b": "stacks: [{nam: b}]\n"},
            "conf/b.yaml:1:11: stacks[0].nam: unknown key; did you mean 'name'?",
            id="a misspelt key",
        ),
        pytest.param(
            {"b": "stacks:\n  - {name: '${NOT_SET}'}\n"},
            "conf/b.yaml:2:12: stacks[0].name: the variable NOT_SET is not set; set it, or give a default: "
            "${NOT_SET:-…}",
            id="a variable",
        ),
        pytest.param(
            {"b": "- {name: b}\n"},
            "conf/b.yaml:1:1: the configuration must be a mapping with at least",
            id="a list in place of a mapping",
        ),
    ],
)  # fmt: skip
def test_a_fault_names_its_file_and_a_second_place_its_file_as_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch, texts: dict[str, str], found: str
) -> None:
    monkeypatch.chdir(folder)
    (fault,) = faults(written(folder, a=SETTINGS, **texts))
    assert fault.startswith(found)


def test_the_faults_of_all_files_are_found_and_only_those_of_syntax_where_there_are_any(folder: Path) -> None:
    wrong = {"a": "stacks: [{nam: a}]\n", "b": "unreadable_after: x\n"}
    assert [fault.partition(": ")[0] for fault in faults(written(folder, **wrong))] == [
        "conf/a.yaml:1:11", "conf/b.yaml:1:19",
    ]  # fmt: skip
    (folder / "d.yaml").write_bytes(b"\xff")
    assert [fault.partition(": ")[0] for fault in faults(written(folder, c="stacks: [\n"))] == [
        "conf/c.yaml:2:1", "conf/d.yaml:1:1",
    ]  # fmt: skip


def test_a_pipe_in_a_directory_is_refused_and_not_opened(folder: Path) -> None:
    written(folder, a=SETTINGS)
    os.mkfifo(folder / "b.yaml")
    with pytest.raises(ConfigError, match=r"^conf/b.yaml:1:1: not a regular file \(in the directory .*; move it away$"):
        written(folder)


def test_a_directory_whose_files_are_empty_is_reported_as_a_whole(folder: Path) -> None:
    (fault,) = faults(written(folder, a="", b="# nothing\n"))
    assert fault.startswith("conf:1:1: this is empty; the configuration must be a mapping")


def test_the_files_of_a_directory_have_at_most_4_mebibytes_in_all(folder: Path) -> None:
    half = "#" * (MAX_BYTES // 2)
    assert len(written(folder, a=half, b=half).files) == 2
    with pytest.raises(ConfigError, match=r"^conf:1:1: the \*\.yaml in this directory are larger than 4 MiB in all"):
        written(folder, c="#")


def test_the_state_must_not_be_a_file_of_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    (fault,) = faults(written(folder, a=SETTINGS, b="state: sqlite:///conf/a.yaml\n"))
    assert fault.startswith("conf/b.yaml:1:8: state: this file is the configuration")


def test_a_health_check_finds_http_in_any_of_the_files(folder: Path) -> None:
    document = written(folder, a=SETTINGS, b="http: {listen: 127.0.0.1:9}\n")
    assert listening_at(document, {}) == ("127.0.0.1", 9)
