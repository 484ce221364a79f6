"""The parts of jinja2 that a template may use: enough to compose a text, too little to use up memory or time.

A template that uses anything else is refused. Expressions that can be large or be repeated are passed through filters
that charge for them (`sandbox`).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

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

TOKENS, NODES = 6_000, 600
"""The most tokens of a template, and nodes of its syntax tree: compiling takes about 0.1 ms for each node."""

_LARGE = f"the template has too many parts: more than {TOKENS} tokens, or {NODES} names, values and operators"

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
    """The syntax tree of `source`, with the charging filters in it.

    Raises:
        TemplateSyntaxError: it is not a template, has too many parts, or uses a part of jinja2 that is not offered.
    """
    # There are few tokens for each node, and counting them is cheaper than parsing a long text.
    if any(True for _ in islice(environment.lex(source), TOKENS, None)):
        raise TemplateSyntaxError(_LARGE, 1)
    tree = environment.parse(source)
    found = [tree, *tree.find_all(nodes.Node)]
    if len(found) > NODES:
        raise TemplateSyntaxError(_LARGE, 1)
    for node in found:
        if wrong := _refusal(node):
            raise TemplateSyntaxError(wrong, _line(node))
    counted = _Counted().visit(tree)
    counted.set_environment(environment)
    assert isinstance(counted, nodes.Template)  # noqa: S101  it was one
    return counted


def _line(node: nodes.Node) -> int:
    """Where a node stands; jinja2 gives some of its own making no line, but what is in them has one."""
    return next((each.lineno for each in (node, *node.find_all(nodes.Node)) if each.lineno is not None), 1)


def _refusal(node: nodes.Node) -> str | None:
    """Why a part of a template is turned down."""
    match node:
        case nodes.Call(node=nodes.Getattr(attr=method)) if method in METHODS and not (
            node.dyn_args or node.dyn_kwargs
        ):
            return None
        case nodes.Call():
            return f"only these can be called: {', '.join(f'.{name}()' for name in sorted(METHODS))}"
        case nodes.Filter(name=name) if name not in FILTERS:
            return f"there is no filter '{name}' here; there are {', '.join(sorted(FILTERS))}"
        case nodes.Test(name=name) if name not in TESTS:
            return f"there is no test '{name}' here; there are {', '.join(sorted(TESTS))}"
        case nodes.Name(name=name) | nodes.Getattr(attr=name) if name.startswith("_"):
            return f"'{name}' is not offered, nor is any name that begins with an underscore"
        case nodes.For(recursive=True):
            return "a recursive loop is not offered"
        # What holds one thing twice, and that twice again, is small until it is shown.
        case nodes.List(items=items) if not all(isinstance(item, nodes.Const) for item in items):
            return "a list can only be made of texts and numbers"
        case nodes.Tuple(items=items, ctx="load") if not all(isinstance(item, nodes.Const) for item in items):
            return "a list can only be made of texts and numbers"
        case nodes.Dict(items=pairs) if not all(isinstance(pair.value, nodes.Const) for pair in pairs):
            return "a mapping can only be made of texts and numbers"
    return None if isinstance(node, _NODES) else f"'{type(node).__name__.lower()}' is not offered in templates"


class _Counted(NodeTransformer):
    """Passes expressions that can be large or be repeated through the charging filters; others charge themselves."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  jinja2's way of naming
        node = self.generic_visit(node)  # type: ignore[assignment]  # it stays what it is
        steps = sum(1 for _ in node.find_all(nodes.Node))
        node.iter = _through(node.iter, EACH, nodes.Const(steps, lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  the same
        node = self.generic_visit(node)  # type: ignore[assignment]  # the same
        return _through(nodes.List(node.nodes, lineno=node.lineno), CONCAT)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802  the same
        node = self.generic_visit(node)  # type: ignore[assignment]  # the same
        node.expr = _through(node.expr, CHARGED)
        return node

    def visit_Operand(self, node: nodes.Operand) -> nodes.Node:  # noqa: N802  the same
        node = self.generic_visit(node)  # type: ignore[assignment]  # the same
        node.expr = _through(node.expr, CHARGED)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802  the same
        node = self.generic_visit(node)  # type: ignore[assignment]  # the same
        return _through(node, CHARGED) if isinstance(node.arg, nodes.Slice) else node


def _through(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
