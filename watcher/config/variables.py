"""Fills `${NAME}` and `${NAME:-default}` into the values of the tree, never into its keys or its structure."""

import re
from collections.abc import Callable, Mapping

from watcher.config.tree import Keys, Node, Reads, Report, Text, reads_as

VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"
"""The form of a variable, in the dialect that Python and JSON Schema share."""

# A default ends at the next "${", so that text full of them is not searched again from each to its end.
_TOKEN = re.compile(
    r"(?P<literal>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>(?:[^}$]|\$(?!\{))*))?(?P<end>\}|\$\{)"
    r"|\$\{"
)


def fill(text: str, environ: Mapping[str, str], fault: Callable[[str], None]) -> str:
    """Return `text` with the values of its variables; a default is for a variable unset or empty, as in a POSIX shell.

    Report what cannot be filled in to `fault`. A `${` in a value stays as it is.
    """

    def value(token: re.Match[str]) -> str:
        name, default = token["name"], token["default"]
        if token["literal"]:
            return "${"
        if name is None or (default is None and token["end"] != "}"):
            fault("'${' without a NAME and a closing '}'; for the characters themselves write '$${'")
        elif token["end"] != "}":
            fault(f"the default of ${{{name}}} must not have a variable in it")
        elif default is not None:
            return environ.get(name) or default
        elif name in environ:
            return environ[name]
        else:
            fault(f"the variable {name} is not set; set it, or give a default: ${{{name}:-…}}")
        return ""

    return _TOKEN.sub(value, text)


def fill_tree(node: Node, environ: Mapping[str, str], report: Report) -> Node:
    """Return `node` with the variables in its values filled in; a scalar with a fault is marked as broken."""
    if isinstance(node, Text):
        return _fill_scalar(node, environ, report) if "${" in node else node
    if isinstance(node, Keys):
        for key, value in node.items():
            node[key] = fill_tree(value, environ, report)
    else:
        node[:] = [fill_tree(item, environ, report) for item in node]
    return node


def _fill_scalar(node: Text, environ: Mapping[str, str], report: Report) -> Text:
    faults: list[str] = []
    value = fill(node, environ, faults.append)
    for message in dict.fromkeys(faults):
        report(node.place, message)
    if all(token["literal"] for token in _TOKEN.finditer(node)):  # `$${`, and no variable
        return Text(value, node.place, node.reads, broken=node.broken)
    # In { } a variable must stand in quotes, so quotes do not make text of a number here.
    reads = reads_as(value) if value else Reads.TEXT
    return Text(value, node.place, reads, written=node.written, broken=node.broken or bool(faults))
