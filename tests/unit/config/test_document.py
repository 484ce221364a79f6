"""Where the configuration is found, and which bytes are no text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from watcher.config.document import MAX_BYTES, Document, decode, locate
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


def refusal(option: str | None, environ: Mapping[str, str], cwd: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        decode(locate(option, environ, cwd))
    return str(refused.value)


def test_the_option_wins_then_the_named_file_then_the_text_then_the_working_directory(tmp_path: Path) -> None:
    for name in ("option.yaml", "named.yaml", "watcher.yaml"):
        (tmp_path / name).write_text(name)
    both = {"WATCHER_CONFIG": "named.yaml", "WATCHER_CONFIG_YAML": "text"}
    assert locate("option.yaml", both, tmp_path) == Document("option.yaml", b"option.yaml")
    assert locate(None, both, tmp_path) == Document("named.yaml", b"named.yaml")
    assert locate(None, {"WATCHER_CONFIG_YAML": "text"}, tmp_path) == Document("WATCHER_CONFIG_YAML", b"text")
    assert locate(None, {"WATCHER_CONFIG": "", "WATCHER_CONFIG_YAML": ""}, tmp_path).name == "watcher.yaml"


def test_without_any_the_message_says_every_way_to_give_one(tmp_path: Path) -> None:
    message = refusal(None, {}, tmp_path)
    assert message.startswith("watcher.yaml:1:1: no configuration")
    for way in (str(tmp_path), "--config", "WATCHER_CONFIG,", "WATCHER_CONFIG_YAML"):
        assert way in message


def test_a_missing_file_is_named_with_where_it_was_asked_for(tmp_path: Path) -> None:
    assert "x.yaml:1:1: no such file (the file given with --config" in refusal("x.yaml", {}, tmp_path)
    assert "no such file (the file named by WATCHER_CONFIG" in refusal(None, {"WATCHER_CONFIG": "y"}, tmp_path)


def test_a_directory_without_a_file_of_it_is_refused(tmp_path: Path) -> None:
    for name in (".hidden.yaml", "x.yml", "watcher.yaml.bak"):
        (tmp_path / name).touch()
    assert f"{tmp_path}:1:1: there is no *.yaml in this directory" in refusal(str(tmp_path), {}, tmp_path)


def test_a_directory_is_refused_where_a_file_must_be(tmp_path: Path) -> None:
    (tmp_path / "watcher.yaml").mkdir()
    assert "this is a directory" in refusal(None, {}, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    (tmp_path / "watcher.yaml").touch(mode=0)
    assert "no permission" in refusal(None, {}, tmp_path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "watcher.yaml/x"])
def test_an_impossible_path_is_a_fault_like_any_other(name: str, tmp_path: Path) -> None:
    (tmp_path / "watcher.yaml").touch()
    assert "cannot be read" in refusal(name, {}, tmp_path)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert "larger than 4 MiB" in refusal("/dev/zero", {}, Path.cwd())


def test_four_mebibytes_are_taken_and_a_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "watcher.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert len(locate(None, {}, tmp_path).text) == MAX_BYTES
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 4 MiB" in refusal(None, {}, tmp_path)
    assert "larger than 4 MiB" in refusal(None, {"WATCHER_CONFIG_YAML": "é" * (MAX_BYTES // 2 + 1)}, tmp_path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("a: b".encode("utf-16"), "f:1:1: this is UTF-16 or UTF-32 text"),
        ("a: b".encode("utf-32"), "f:1:1: this is UTF-16 or UTF-32 text"),
        ("a: b".encode("utf-16-le"), "f:1:2: a control character (U+0000)"),
        ("a: 1\nb: é".encode("latin-1"), "f:2:4: this is not UTF-8 text"),
        ("é: é\x07".encode(), "f:1:5: a control character (U+0007)"),
        (b"a\r\nb\rc\n\x1b", "f:4:1: a control character (U+001B)"),
        (b"a: \xed\xa0\x80", "f:1:4: this is not UTF-8 text"),
        ("a: \ufffe".encode(), "f:1:4: a control character (U+FFFE)"),
    ],
)
def test_bytes_that_are_not_text_are_refused_with_their_place(raw: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        decode(Document("f", raw))
    assert str(refused.value).startswith(message)


def test_a_byte_order_mark_of_utf_8_is_not_part_of_the_text() -> None:
    assert decode(Document("f", "\ufeffa: é".encode())) == "a: é"


def test_bytes_in_a_variable_that_are_not_text_are_refused(tmp_path: Path) -> None:
    document = locate(None, {"WATCHER_CONFIG_YAML": "a: \udcff"}, tmp_path)
    with pytest.raises(ConfigError, match="WATCHER_CONFIG_YAML:1:4: this is not UTF-8"):
        decode(document)
