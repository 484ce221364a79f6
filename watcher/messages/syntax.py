"""The parts of jinja2 that a template may use: enough to compose a text, too little to use up memory or time.

A template that uses anything else is refused. Expressions that can be large or be repeated are passed through filters
that charge for them (`sandbox`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

from watcher.util.shapes import is_unicode

if TYPE_CHECKING:
    from jinja2 import Environment

FILTERS = frozenset({
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "join",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round",
    "select", "selectattr", "sort", "string", "title", "trim", "truncate", "unique", "upper",
})  # fmt: skip
TESTS = frozenset({
    "boolean", "defined", "divisibleby", "eq", "even", "false", "float", "ge", "gt", "in", "integer", "le", "lower",
    "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string", "true", "undefined", "upper", "==", "!=", ">",
    ">=", "<", "<=", "equalto", "greaterthan", "lessthan",
})  # fmt: skip
METHODS = frozenset({"endswith", "get", "items", "keys", "startswith", "values"})

MAX_TOKENS, MAX_NODES = 6_000, 600
"""Tokens of a template, and nodes of its syntax tree: compiling takes about 0.1 ms for each node."""

_LARGE = f"the template has too many parts: more than {MAX_TOKENS} tokens, or {MAX_NODES} names, values and operators"

EACH, CONCAT, CHARGED = "__each", "__concat", "__charged"
"""The names of the charging filters: for the items of a loop, the operands of `~`, and any other operand."""

_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign,
    nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair,
    nodes.Filter, nodes.Test, nodes.Call, nodes.Keyword, nodes.CondExpr, nodes.Concat,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
)  # fmt: skip


def parsed(environment: Environment, source: str) -> nodes.Template:
    """Return the syntax tree of `source`, with the charging filters in it.

    Raises:
        TemplateSyntaxError: it is not a template, has too many parts, or uses a part of jinja2 that is not allowed.
    """
    # There are few tokens for each node, and counting them is cheaper than parsing a long text.
    if any(True for _ in islice(environment.lex(source), MAX_TOKENS, None)):
        raise TemplateSyntaxError(_LARGE, 1)
    tree = environment.parse(source)
    found = [tree, *tree.find_all(nodes.Node)]
    if len(found) > MAX_NODES:
        raise TemplateSyntaxError(_LARGE, 1)
    for node in found:
        if wrong := _refusal(node):
            raise TemplateSyntaxError(wrong, _line(node))
    _Charging().visit(tree)
    tree.set_environment(environment)
    return tree


def _line(node: nodes.Node) -> int:
    """Return the line of a node; some that jinja2 itself makes have none, but the nodes in them have."""
    return next((each.lineno for each in (node, *node.find_all(nodes.Node)) if each.lineno is not None), 1)


def _refusal(node: nodes.Node) -> str | None:
    """Return why a part of a template is not allowed; None if it is."""
    match node:
        case nodes.Call(node=nodes.Getattr(attr=method)) if method in METHODS and not (
            node.dyn_args or node.dyn_kwargs
        ):
            return None
        case nodes.Call():
            return f"only these can be called: {', '.join(f'.{name}()' for name in sorted(METHODS))}"
        case nodes.Filter(name=name) if name not in FILTERS:
            return f"there is no filter '{name}'; the filters are: {', '.join(sorted(FILTERS))}"
        case nodes.Test(name=name) if name not in TESTS:
            return f"there is no test '{name}'; the tests are: {', '.join(sorted(TESTS))}"
        case nodes.Name(name=name) | nodes.Getattr(attr=name) if name.startswith("_"):
            return f"'{name}' is not allowed: names must not begin with an underscore"
        case nodes.Const(value=str(text)) if not is_unicode(text):
            return "an escape for half of a character (\\ud800 to \\udfff) is not a text; write the whole character"
        case nodes.For(recursive=True):
            return "a recursive loop is not allowed"
        # A list that contains another one twice, and so on, is small in memory until it is shown.
        case nodes.List(items=items) | nodes.Tuple(items=items, ctx="load") if not _constant(items):
            return "a list may only contain texts and numbers"
        case nodes.Dict(items=pairs) if not _constant(pair.value for pair in pairs):
            return "a mapping may only contain texts and numbers"
    return None if isinstance(node, _NODES) else f"'{type(node).__name__.lower()}' is not allowed in templates"


def _constant(items: Iterable[nodes.Node]) -> bool:
    return all(isinstance(item, nodes.Const) for item in items)


class _Charging(NodeTransformer):
    """Passes expressions that can be large or be repeated through the charging filters; others charge themselves."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        node = super().generic_visit(node, *args, **kwargs)
        match node:
            case nodes.For():
                steps = sum(1 for _ in node.find_all(nodes.Node))
                node.iter = _through(node.iter, EACH, nodes.Const(steps, lineno=node.lineno))
            case nodes.Concat():
                return _through(nodes.List(node.nodes, lineno=node.lineno), CONCAT)
            case nodes.Compare() | nodes.Operand():
                node.expr = _through(node.expr, CHARGED)
            case nodes.Getitem(arg=nodes.Slice()):
                return _through(node, CHARGED)
        return node


def _through(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
