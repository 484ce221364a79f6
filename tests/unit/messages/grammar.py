"""Templates that an attacker could write: well-formed, of the right kinds in most places, and made to grow."""

from __future__ import annotations

from hypothesis import strategies as st

_START = (
    "{% set s = '" + "x" * 900 + "' %}" + "{% set s = s ~ s %}" * 4 + "{% set t = 'a-é'|replace('a', s[:900]) %}"
    "{% set L = s[:300]|list %}{% set M = L[:40]|map('default', s)|list %}{% set N = ['a', 'b'] %}{% set i = 3 %}"
)
"""Long texts, and lists of them."""


def _of(*forms: str, **holes: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One of `forms`, with its holes filled."""
    return st.builds(lambda form, **filled: form.format(**filled), st.sampled_from(forms), **holes)


def _deeper(inner: st.SearchStrategy[tuple[str, str, str]]) -> st.SearchStrategy[tuple[str, str, str]]:
    """A text, a list and a number of what is one level less deep."""
    texts, lists, numbers = (inner.map(lambda found, at=at: found[at]) for at in range(3))
    holes = {"t": texts, "u": texts, "l": lists, "m": lists, "n": numbers, "o": numbers}
    return st.tuples(_of(*_TEXTS, **holes), _of(*_LISTS, **holes), _of(*_NUMBERS, **holes))


_TEXTS = (
    "({t}|upper)", "({t}|title)", "({t}|reverse)", "({t} ~ {u})", "({t} + {u})", "({t}|replace({u}, {t}))",
    "({t}|trim({u}[:99]))",
    "({l}|join({t}))", "({l}|first)", "({l}|max)", "({l}|last|string)", "{t}[{n}:]", "({t}|truncate({n}, true, '', 0))",
    "({t} if {u} in {t} else {u})", "({t} if {l} == {m} else {u})", "('' ~ {t}.startswith({u}))",
    "({t}|string|lower|capitalize)",
)  # fmt: skip
_LISTS = (
    "({t}|list)", "({l}|map('replace', {t}, {u}))", "({l}|map('default', {m}))", "({l}|map('join', {t}))",
    "({l}|map(attribute='nope', default={m}))", "({l}|map(attribute={t}, default={u}))", "({l}|map('map', 'title'))",
    "({l}|map('list'))", "({l}|select('in', {t}))", "({l}|reject('eq', {m}))", "({l}|select('odd'))", "({l}|sort)",
    "({l}|unique)", "({l}|sort(attribute='0.0.0'))", "({l}|groupby('nope', {t}))", "({l}|groupby(0))", "{l}[:{n}]",
    "({l}|map('map', 'replace', 'x', {t}))", "({l}|selectattr(0, 'in', {t}))", "({l}|map('groupby', 0))",
)  # fmt: skip
_NUMBERS = (
    "({t}|int(0, 16))", "({t}|float)", "({l}|length)", "({n} * {o})", "({n} % {o})", "({n}|round({o}))", "({n}|abs)",
    "({t} is divisibleby({n}))", "({l}|sort|length)",
)  # fmt: skip

_values = st.recursive(
    st.tuples(
        st.sampled_from(["s", "t", "'x'", "''", "'%999999999d'", "'0.0.0'", "event.subject"]),
        st.sampled_from(["L", "M", "N", "events", "message.facts", "message.lines", "event.data.values()"]),
        st.sampled_from(["i", "0", "2", "-1", "36", "0.5", "999999999999999"]),
    ),
    _deeper,
    max_leaves=4,
)
_text, _list, _number = (_values.map(lambda found, at=at: found[at]) for at in range(3))
_statements = st.recursive(
    _of(
        "{{% set s = {t} %}}", "{{% set L = {l} %}}", "{{% set M = {l} %}}", "{{% set i = {n} %}}", "{{{{ {t} }}}}",
        "{{{{ {n} }}}}",
        t=_text, l=_list, n=_number,
    ),
    lambda inner: _of(
        "{{% for N in {l} %}}{a}{b}{{% endfor %}}", "{{% if {t} %}}{a}{{% endif %}}{b}",
        l=_list, t=_text, a=inner, b=inner,
    ),
    max_leaves=6,
)  # fmt: skip

TEMPLATES = st.lists(_statements, min_size=1, max_size=4).map(lambda parts: _START + "".join(parts))
"""Templates as whole sources."""
