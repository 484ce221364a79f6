"""Whatever the bytes are, reading them ends in settings or in a ConfigError with places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.schema import File
from watcher.errors import ConfigError, Fault

# Pieces of real configurations, so that many of the texts get past the parser.
WORDS = "name type version account region regions labels interval listen token discover stdout SERVICE us-east-1 x é"
MARKS = [
    "\n",
    "\n  ",
    "\n    ",
    ": ",
    ": ",
    ": ",
    "- ",
    ", ",
    "? ",
    "---\n",
    "...\n",
    "|\n",
    "# ",
    "\t",
    "\r",
    "\ufeff",
    "\u2028",
]
VALUES = ["*a", "&a ", "!b ", "<<", "${A}", "${B", "$${", "~", "1", "1.5", "60s", "on", "2026-01-01"]
PIECES = [*File.model_fields, *WORDS.split(), *MARKS, *VALUES, *"{}[]\"'%@\x85"]


def read_or_refuse(raw: bytes) -> None:
    environ = {"AWS_REGION": "us-east-1", "A": "a: [1"}
    faults: tuple[Fault, ...] = ()
    try:
        config = parse(Document("f", raw), environ, lambda _: None)
    except ConfigError as error:
        faults = error.faults
        config = None
    assert (config is None) == bool(faults)
    assert config is None or config.targets
    assert all(fault.line >= 1 and fault.column >= 1 and fault.message for fault in faults)
    assert list(faults) == sorted(faults)


@given(st.binary())
def test_any_bytes(raw: bytes) -> None:
    read_or_refuse(raw)


@given(st.text())
def test_any_text(text: str) -> None:
    read_or_refuse(text.encode("utf-8", "replace"))


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_sequence_of_pieces(pieces: list[str]) -> None:
    read_or_refuse("".join(pieces).encode())


KEYS = [*File.model_fields, "name", "type", "version", "url", "headers", "path", "from", "until", "targets", "<<", "x"]
NODES = st.recursive(
    st.sampled_from(
        [
            "a",
            "1",
            "60s",
            "on",
            "~",
            '"1"',
            "us-east-1",
            "SERVICE",
            "stdout",
            "webhook",
            "file",
            "sqs",
            '"${A}"',
            '"${B}"',
            "!x y",
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=4).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"
        ),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*File.model_fields, "discover", "x"]), NODES, max_size=6))
def test_any_value_anywhere(top: dict[str, str]) -> None:
    read_or_refuse("".join(f"{key}: {value}\n" for key, value in top.items()).encode())
