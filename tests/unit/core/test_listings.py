"""Listings: their JSON form, and what is refused when it is read."""

from datetime import UTC, datetime

import pytest

from watcher.core.listings import FoundTarget, ListingKey, dump, load

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = ListingKey("prod", "us-east-1", "stack")
FOUND = (
    FoundTarget((("type", "SERVICE"), ("name", "web")), {"repository": "org/\ud800"}),
    FoundTarget((("name", "shop"),), {}, times=2, missing=3, missing_since=NOW, owed=True),
)


@pytest.mark.parametrize(("kind", "name"), [("stack", "stack"), ("repository/proton", "repository")])
def test_a_listing_is_of_a_kind_whose_name_has_no_variant(kind: str, name: str) -> None:
    assert ListingKey("prod", "us-east-1", kind).kind_name == name


def test_a_listing_is_read_as_it_was_written() -> None:
    assert load(dump(FOUND), KEY) == FOUND


def test_a_listing_is_written_without_spaces() -> None:
    assert dump(FOUND[1:]) == (
        '[{"identity":{"name":"shop"},"facts":{},"times":2,"missing":3,"missing_since":"2026-11-23T12:00:00Z",'
        '"owed":true}]'
    )


def test_what_a_later_version_adds_is_ignored() -> None:
    assert load(dump(FOUND).replace('"times"', '"later":[],"times"'), KEY) == FOUND


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "the listing of prod/us-east-1/stack cannot be {}"),
        ("no JSON", "Expecting value"),
        pytest.param("[" * 100_000, "^the listing of prod/us-east-1/stack is nested too deeply", id="nested"),
        ("[5]", r"prod/us-east-1/stack\[0\] cannot be 5"),
        ("[{}]", "has no 'identity'"),
        (dump(FOUND).replace('"web"', "5"), r"identity\['name'\] cannot be 5"),
        (dump(FOUND).replace('"times":2', '"times":-2'), r"\[1\].times cannot be -2"),
        (dump(FOUND).replace('"owed":true', '"owed":1'), r"\[1\].owed cannot be 1"),
        (dump(FOUND).replace("2026-11-23", "soon"), 'missing_since cannot be "soonT12:00:00Z"'),
    ],
)
def test_a_text_of_another_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(text, KEY)
