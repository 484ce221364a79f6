"""Where a daemon is asked for its health, by configurations right and wrong: a table."""

from __future__ import annotations

import re

import pytest

from watcher.config.document import Document
from watcher.config.listen_address import listen_address, listening_at
from watcher.config.tree import Place, Reads, Text

DEFAULT = ("127.0.0.1", 8080)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("stacks: [{name: a}]", DEFAULT),
        ("http: {listen: 127.0.0.1:9090}", ("127.0.0.1", 9090)),
        ("http:\n  token: x\n  listen: '[::1]:9090'\n", ("::1", 9090)),
        ("http: {listen: 0.0.0.0:9090, insecure: true}", ("127.0.0.1", 9090)),
        ("http: {listen: '[::]:9090'}", ("::1", 9090)),
        ("http: {listen: '${HOST}:9090'}", ("10.0.0.7", 9090)),
        ("http: {listen: '${NOT_SET}:${NEITHER:-9090}'}", DEFAULT),
        ("http: {}", DEFAULT),
        ("http:", DEFAULT),
        ("http: off", None),
        ("http: 'off'", None),
        ("http: false", None),
        # Wrong ones: the daemon that runs goes on with what it has, and most mistakes are elsewhere.
        ("", DEFAULT),
        ("- a", DEFAULT),
        ("http: {listen: nonsense}", DEFAULT),
        ("http: [a]", DEFAULT),
        ("http: {listen: 127.0.0.1:9090}\nstakcs: [{nam: ${NOT_SET}}]", ("127.0.0.1", 9090)),
        ("http: {listen: '127.0.0.1:9090'}\nstacks: [\n", ("127.0.0.1", 9090)),
        ("http:\n  listen: 127.0.0.1:9090\n\tstacks:", ("127.0.0.1", 9090)),
        ("http: {listen: '${HOST}:9090'}\nstacks: [\n", ("10.0.0.7", 9090)),
        ("http: off\nstacks: [\n", None),
        ("# http: {listen: '127.0.0.1:1'}\nhttp: {listen: '127.0.0.1:9090'}\nstacks: [\n", ("127.0.0.1", 9090)),
        ("http:\n  # listen: 127.0.0.1:1\n  listen: 127.0.0.1:9090  # not :1\nstacks: [\n", ("127.0.0.1", 9090)),
        ("x: {listen: '127.0.0.1:1'}\nhttp:\n\n  token: x\n  listen: 127.0.0.1:9090\nstacks: [\n", ("127.0.0.1", 9090)),
        ("http: {listen: x}\nstacks: [\n", DEFAULT),
    ],
)
def test_where_it_is_asked(text: str, at: tuple[str, int] | None) -> None:
    assert listening_at(Document("test", text.encode()), {"HOST": "10.0.0.7"}) == at


def test_without_a_configuration_the_default_is_asked() -> None:
    assert listening_at(None, {}) == DEFAULT
    assert listening_at(Document("test", b"\xff\xfe\x00"), {}) == DEFAULT


@pytest.mark.parametrize(
    ("text", "reads", "message"),
    [
        ("8080", Reads.NUMBER, "'8080' is not a valid HOST:PORT"),
        ("localhost", Reads.TEXT, "'localhost' is not a valid HOST:PORT"),
        ("10:30", Reads.NUMBER, 'to mean the text, write "10:30" in quotes'),
    ],
)
def test_a_fault_of_the_address_says_what_is_wrong_first(text: str, reads: Reads, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        listen_address(Text(text, Place(1, 1, "http.listen"), reads))
