"""Explains errors of YAML's syntax. The parser's own messages are never shown, since they may quote a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

_UNFINISHED = "a list or mapping is not closed before this; text that begins with [ or { needs quotes"

# Parts of the messages of both parsers (libyaml's and PyYAML's), and the message shown instead; the first match counts.
_MESSAGES = (
    (
        "mapping values are not allowed",
        "': ' is not allowed here; put the text in quotes, or check the indentation and the line before",
    ),
    ("unexpected end of stream", "the text in quotes that begins {where} has no closing quote"),
    ("found a tab character", "a tab cannot indent; use spaces"),
    ("unknown escape character", "in double quotes \\ begins an escape; write \\\\, or use single quotes"),
    ("expected ',' or ']'", "the list that begins {where} has no closing ], or an item needs quotes or a comma"),
    ("expected ',' or '}'", "the mapping that begins {where} has no closing }, or a value needs quotes or a comma"),
    ("expected the node content", _UNFINISHED),
    ("expected node content", _UNFINISHED),
    ("could not find expected ':'", "a key needs ': ' and a value on the same line; check the line before as well"),
    ("unexpected ':'", "a ':' is not allowed here; put a space after it, or quotes around the text that has it"),
    ("expected key", "this does not fit the mapping that begins {where}; check the indentation and the quotes"),
    ("expected '-' indicator", "this does not fit the list that begins {where}; check the indentation, and the '- '"),
    ("expected <block end>", "this does not fit what begins {where}; check the indentation and the quotes"),
    ("incompatible YAML document", "a %YAML line of another version; remove it"),
)
_OTHERWISE = "this is not YAML; check the indentation, the quotes and the brackets"


def in_plain_words(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return what is wrong at the error's place in `text`, and what to do."""
    problem, mark = error.problem or "", error.problem_mark
    if mark:
        line = (text.splitlines() or [""])[mark.line : mark.line + 1]
        before, here = (line[0][: mark.column], line[0][mark.column :]) if line else ("", "")
        if before.endswith("$") and here.startswith("{"):
            return 'inside { } and [ ] a variable needs quotes: "${NAME}"'
        if here.startswith("\t"):
            return "a tab cannot indent; use spaces"
        if here[:1] in {"@", "`", "%"} and "cannot start any token" in problem:
            return f"a value that begins with {here[0]} needs quotes"
    where = f"on line {error.context_mark.line + 1}" if error.context_mark else "above"
    for part, message in _MESSAGES:
        if part in problem:
            return message.replace("{where}", where)
    return _OTHERWISE
