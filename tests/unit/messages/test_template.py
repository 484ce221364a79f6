"""Templates: what they are given, what is refused, what is bounded, and what happens when one fails."""

from __future__ import annotations

import re
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from jinja2 import filters

from tests.support.event_samples import attempt, bodies, failures, message_of, sync
from tests.unit.messages.grammar import TEMPLATES
from watcher.core.event_types import ALL_EVENT_TYPES
from watcher.core.model import FAILED
from watcher.messages import template as template_module
from watcher.messages.budget import Budget
from watcher.messages.samples import SAMPLES_NOW, samples
from watcher.messages.template import MAX_OUTPUT, BadTemplateError, Template, check, render_or_built_in

LONG = "{% set s = '" + "x" * 1000 + "' %}" + "{% set s = s ~ s %}" * 4
WIDE = "".join(
    f"{{% set {name} = events|map(attribute='type')|list %}}"
    + f"{{% set {name} = 'xxxxxxxxxx'|list|map(attribute='nope', default={name})|list %}}" * 6
    for name in "ab"
)


def rendered(source: str, escape: str = "text") -> str:
    events = bodies(sync())
    return Template(source, escape=escape).render(events, message_of(events))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ event.data.status }} {{ event.data.target.name }}", "FAILED web"),
        ("{{ message.title }}", "FAILED: SERVICE template web:2 (prod, eu-west-1)"),
        ("{{ message.facts|map(attribute='name')|join(', ') }}",
         "Commit, Repository, Branch, Directory, Started, Last success, Labels"),
        ("{% for e in events %}{{ loop.index }}/{{ loop.length }}{% if not loop.last %}, {% endif %}{% endfor %}",
         "1/1"),
        ("{{ event.data.previous_status ~ ' → ' ~ event.data.status }}", "SUCCEEDED → FAILED"),
        ("{{ event.data.get('blocker', 'none') }}{{ event.data.nothing|default('!') }}", "none!"),
        ("{% set n = events|length %}{{ n + 1 }}", "2"),
        ("{% if event.type == 'watcher.sync.failed' and 'web' in event.subject %}yes{% endif %}", "yes"),
        ("{% for k, v in event.data.target.labels.items() %}{{ k }}={{ v }}{% endfor %}", "team=storefront"),
        ("{{ message.facts[1].url }}", "https://github.com/example-org/platform-templates"),
    ],
)  # fmt: skip
def test_a_template_renders_the_event_and_the_built_in_message(source: str, text: str) -> None:
    assert rendered(source) == text


def test_the_samples_are_of_every_type() -> None:
    assert {sample["type"] for sample in samples()} == set(ALL_EVENT_TYPES)


@pytest.mark.parametrize("escape", ["slack", "text"])
def test_a_valid_template_passes_the_check_for_every_type_of_event(escape: str) -> None:
    source = "{{ message.title }}\n{{ event.time }} {% for e in events %}{{ e.id }}{% endfor %}"
    assert check(source, escape=escape, types=ALL_EVENT_TYPES) is None


def test_a_template_is_checked_only_with_the_types_that_its_sink_gets() -> None:
    source = "{{ event.data.attempt.startedAt }}{% for e in events %} {{ e.data.attempt.status }}{% endfor %}"
    assert check(source, escape="text", types=["watcher.sync.failed", "watcher.sync.stalled"]) is None
    said = check(source, escape="text", types=["watcher.sync.failed", "watcher.target.readable"])
    assert said is not None
    assert said.endswith("'attempt' (with a sample of watcher.target.readable)")
    assert check("{{ nothing }}", escape="text", types=["watcher.sync.not_made_yet"]) is None
    assert check("{% if", escape="text", types=[]) is not None


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        (
            "{{ event.data.stats }}",
            r"line 1: this mapping has no attribute 'stats' \(with a sample of watcher\.sync\.initiated\)",
        ),
        ("\n\n{{ evnt.type }}", r"line 3: 'evnt' is undefined"),
        ("a\n{{ event.data.status }}", r"line 2: .* 'status' \(with a sample of watcher\.target\.unreadable\)"),
        ("{% if event.type == 'watcher.sync.failed' %}x{% endif %}", r"line 1: the rendered text is empty"),
        ("a\n{% if", r"line 2: "),
        ("{{ event }}", r"a mapping cannot be shown as a whole"),
        ("a\n\n{% autoescape true %}\n{{ x }}{% endautoescape %}", r"^line 3: 'scope' is not allowed"),
        ("a\n{% autoescape true %}{% endautoescape %}", r"^line 2: 'scope' is not allowed"),
        ("x" * 16_385, r"longer than 16384"),
        (r"{{ 'a\ud800' }}", r"line 1: an escape for half of a character"),
        ("\n" + r"{{ event.type|replace('w', '\udfff') }}", r"line 2: an escape for half of a character"),
        (r"{{ '\ud83d' ~ '\ude00' }}", r"line 1: an escape for half of a character"),
        (r"{% if event['\ud800'] is defined %}x{% endif %}", r"line 1: an escape for half of a character"),
    ],
)
def test_a_faulty_template_is_reported_in_one_line_with_the_line_of_the_template(source: str, wrong: str) -> None:
    said = check(source, escape="text", types=ALL_EVENT_TYPES)
    assert said is not None
    assert re.search(wrong, said)
    assert "\n" not in said


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ event['__class__'] }}",
        "{{ event|attr('__class__') }}",
        "{{ events|map(attribute='__class__')|list|length }}{{ events|map('attr', '__class__')|list|length }}",
        "{{ event.clear() }}{{ event.update({'a': 1}) }}{{ events.append(1) }}",
        "{{ '{0.__class__}'.format(event) }}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% extends 'x' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for e in events recursive %}{{ loop(events) }}{% endfor %}",
        "{{ range(1000000000)|list }}",
        "{{ lipsum() }}",
        "{{ cycler('a').__init__ }}",
        "{% set ns = namespace() %}",
        "{{ __budget }}",
        "{{ '&lt;!channel&gt;'|striptags }}",
        "{{ event.data.target.name|safe }}",
    ],
)
def test_an_escape_from_the_sandbox_is_refused(source: str) -> None:
    with pytest.raises(BadTemplateError):
        rendered(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 999999999999999 * 999999999999999 * 999999999999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'|format }}",
        "{{ 'x'|indent(1000000000) }}",
        "{% set a = 'xxxxxxxx' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
        "{% set a = 'xxxxxxxx' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
        "{{ 'a'" + "|replace('a', 'aaaaaaaa')" * 40 + "}}",
        "{% set a = 'xxxxxxxx' %}" + "{% set a = a|join(a) %}" * 40 + "{{ a }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a|string }}",
        "{% for a in [1, 2, 3, 4, 5, 6, 7, 8, 9] %}" * 12 + "{{ a }}" + "{% endfor %}" * 12,
        "{% for a in message.lines %}" * 30 + "{{ a }}" + "{% endfor %}" * 30,
        "{% for c in event.subject %}{{ c }}{% endfor %}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "not " * 3000 + "1 }}",
        "{{ " + "1 + " * 3000 + "1 }}",
        "{% if 1 %}" * 1000 + "x" + "{% endif %}" * 1000,
        "{% for a in [1, 2, 3, 4, 5, 6, 7, 8, 9] %}" * 3 + "x" * 300 + "{% endfor %}" * 3,
        *(LONG + source for source in (
            "{{ s|list|map('replace', 'x', s)|list|length }}",
            "{{ s|list|select('in', s)|list|length }}",
            "{{ s|list|map('default', s)|sort|length }}{{ s|list|map('list')|map('map', 'upper')|list|length }}",
            "{{ s|list|map(attribute='nope', default=s)|sort|length }}",
            "{% set a = s|list %}" + "{% set a = a|map('replace', 'x', s)|map('list')|list %}" * 3 + "{{ a|length }}",
            "{% for a in s[:99]|list %}{% for b in s[:99]|list %}{% if s in s %}{% endif %}{% endfor %}{% endfor %}y",
            "{{ s[:3000]|list|map(attribute='" + "0." * 3000 + "0')|list|length }}",
            "{{ ('y' ~ s)|trim(s) }}",
            "{{ ('y' ~ s)|int(0, 16) }}{{ s|int }}{{ '9' * 9 }}",
        )),
        "{{ '%999999999d' is odd }}",
        "{{ '%999999999d' is even }}",
        "{{ '%999999999d' is divisibleby(1) }}",
        "{{ ['%999999999d']|select('odd')|list|length }}",
        # A list that holds one list many times, and so on: small, and without end where it is compared or written out.
        *(WIDE + source for source in (
            "{{ a == b }}", "{{ a != b }}", "{{ a < b }}", "{{ a in [1] or b in a }}",
            "{{ [1]|select('eq', a)|first == b }}", "{{ a|int }}{{ a|title }}",
            "{{ a|upper }}", "{{ a ~ '' }}", "{{ a|join }}", "{{ a|replace('x', 'y') }}", "{{ a is upper }}",
            "{{ a|max }}", "{{ a|unique|length }}", "{{ a|groupby(0)|length }}", "{{ a.b }}{{ a }}",
            "{{ a[:] == b[:] }}", "{{ a|groupby('n', 'k')|first == b|groupby('n', 'k')|first }}",
        )),
    ],
    ids=lambda source: source.removeprefix(LONG).removeprefix(WIDE)[:60],
)  # fmt: skip
def test_a_template_that_would_fill_the_memory_or_never_end_is_stopped(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadTemplateError):
            rendered(source)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ events|map(attribute='subject')|map('upper')|list|length }}", "1"),
        ("{{ event.data.target.labels.items()|sort|map('join', '=')|join(',') }}", "team=storefront"),
        ("{% for k, v in event.data.target.labels|dictsort %}{{ k }}{{ v }}{% endfor %}", "teamstorefront"),
        ("{% for g in events|groupby('type') %}{{ g[0] }} {{ g.list|length }}{% endfor %}", "watcher.sync.failed 1"),
        ("{{ 'n' if event.data.attempt == none else 'y' }}{{ event.data == 'x' }}{{ 'x' != events }}", "yFalseTrue"),
        ("{{ [3, 1, 2]|sort|join }}{{ ['b', 'B', 'a']|unique|list|length }}{{ [1, 2]|max }}{{ 'abc'[::-1] }}",
         "12322cba"),
        ("{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ '12'|int + '0.5'|float }}{{ ' x '|trim }}{{ 'xay'|trim('xy') }}",
         "TrueTrue12.5xa"),
        ("{{ 1 < 2 < 3 and 2 not in [1] and 'data' in event }}", "True"),
        ("{{ event.data.attempt.events|selectattr('type', 'eq', 'FAILED')|map(attribute='event')|last }}",
         "Failed to parse schema.yaml: line 14"),

    ],
)  # fmt: skip
def test_ordinary_templates_are_within_the_bounds(source: str, text: str) -> None:
    assert rendered(source) == text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEMPLATES)
def test_any_template_makes_a_text_within_its_bounds_or_is_refused(source: str) -> None:
    events = bodies(*failures(3))
    with suppress(BadTemplateError):
        assert 0 < len(Template(source, escape="text").render(events, message_of(events))) <= MAX_OUTPUT


def test_the_samples_together_have_the_budget_of_one_rendering() -> None:
    """So that checking many templates has an end, too."""
    costly = (
        "{% set s = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'|list %}"
        + "{% for a in s %}" * 2
        + "{% endfor %}" * 2
        + "y"
    )
    assert rendered(costly) == "y"
    assert check(costly, escape="text", types=["watcher.sync.failed"]) is None
    said = check(costly, escape="text", types=ALL_EVENT_TYPES)
    assert said is not None
    assert "it takes more than 50000 steps" in said


@pytest.mark.parametrize("part", ["{{ a }}", "{% if 1 %}{% endif %}", "{{ 1 < 2 < 3 }}", "{% set a = 1 %}"])
def test_a_template_of_too_many_parts_is_refused_before_it_is_compiled(part: str) -> None:
    with pytest.raises(BadTemplateError, match="line 1: the template has too many parts"):
        Template(part * (16_384 // len(part)), escape="text")


@pytest.mark.alone
def test_to_check_many_templates_takes_little_longer_than_to_compile_them() -> None:
    """Five hundred do not keep `validate` busy for a minute."""
    sources = [
        f"{{{{ message.title }}}} {number} {{% for e in events %}}{{{{ e.id }}}}{{% endfor %}}" for number in range(100)
    ]
    check("x", escape="slack", types=ALL_EVENT_TYPES)
    began = time.thread_time()
    for source in sources:
        Template(f"{source}.", escape="slack")
    compiled = time.thread_time() - began
    for source in sources:
        assert check(source, escape="slack", types=ALL_EVENT_TYPES) is None
    assert time.thread_time() - began - compiled < 5 * compiled


@pytest.mark.alone
@pytest.mark.hypothesis
def test_no_operation_of_a_template_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread does not help against one long call, since it holds Python's lock."""
    longest, last = 0.0, 0.0

    class Watched(Budget):
        def spend(self, steps: int) -> None:
            nonlocal longest, last
            longest = max(longest, time.thread_time() - last)
            try:
                super().spend(steps)
            finally:
                last = time.thread_time()

    monkeypatch.setattr(template_module, "Budget", Watched)
    text = "a-\u0130" * 5_000
    began = time.thread_time()
    filters.do_title(text)
    dearest = time.thread_time() - began

    @settings(max_examples=settings.default.max_examples * 3 // 8, suppress_health_check=list(HealthCheck))
    @given(TEMPLATES)
    def attack(source: str) -> None:
        nonlocal last
        last = time.thread_time()
        with suppress(BadTemplateError):
            events = bodies(*failures(3))
            template, message = Template(source, escape="text"), message_of(events)
            last = time.thread_time()
            template.render(events, message)

    attack()
    assert longest < 10 * dearest


def test_rounding_to_absurd_places_is_only_rounding() -> None:
    assert rendered("{{ 1.25|round(1000000000) }} {{ 1.26|round(1) }}") == "1.25 1.3"


def test_a_template_that_fails_for_one_event_loses_nothing() -> None:
    """The built-in text is sent instead, and says so."""
    template = Template("{{ event.data.blocker.id }}", escape="text")
    text, message = render_or_built_in(template, bodies(sync()), SAMPLES_NOW)
    assert text is None
    assert message.title == "FAILED: SERVICE template web:2 (prod, eu-west-1)"
    assert "The sink's template failed, so this is the built-in message: line 1: " in message.note


def test_a_template_gets_all_events_of_a_group() -> None:
    template = Template("{{ events|length }} {{ event.subject }} {{ (events|last).subject }}", escape="text")
    text, _ = render_or_built_in(template, bodies(*failures(100)), SAMPLES_NOW)
    assert text == "100 prod/eu-west-1/template/SERVICE/service-0/1 prod/eu-west-1/template/SERVICE/service-99/1"


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_template_gets_the_last_events_of_a_long_attempt(newest_first: bool) -> None:  # noqa: FBT001  a row of the table
    (event,) = bodies(sync(attempt(FAILED)))
    said = [{"type": "x", "event": f"step {number}", "time": f"2026-11-23T08:{number:02}:00Z"} for number in range(60)]
    event["data"]["attempt"]["events"] = said[::-1] if newest_first else said
    template = Template("{% for e in event.data.attempt.events %}{{ e.event }}\n{% endfor %}", escape="text")
    lines = template.render([event], message_of([event])).splitlines()
    last = [f"step {number}" for number in range(10, 60)]
    assert lines == (last[::-1] if newest_first else last)
