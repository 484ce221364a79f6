"""What `dynamodb://…` may say, and what is said of what it may not."""

from __future__ import annotations

import re

import pytest

from watcher.core.state_url import FORM, Address, parse_address


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("dynamodb://watcher", Address("watcher")),
        ("dynamodb://a.b-c_D", Address("a.b-c_D")),
        ("dynamodb://watcher?region=eu-west-1", Address("watcher", "eu-west-1")),
        (
            "dynamodb://watcher?endpoint_url=http%3A%2F%2F127.0.0.1:8000&region=us-gov-west-1",
            Address("watcher", "us-gov-west-1", "http://127.0.0.1:8000"),
        ),
        ("dynamodb://watcher?endpoint_url=http://localhost:8000", Address("watcher", None, "http://localhost:8000")),
        ("dynamodb://watcher?leases=off", Address("watcher", leases=False)),
        ("dynamodb://watcher?leases=on", Address("watcher")),
        ("dynamodb://watcher?endpoint_url=https://a:1/", Address("watcher", None, "https://a:1/")),
        ("dynamodb://watcher?term=30s", Address("watcher", term=30.0)),
        ("dynamodb://watcher?term=1s", Address("watcher", term=1.0)),
        ("dynamodb://watcher?term=5m", Address("watcher", term=300.0)),
    ],
)
def test_an_address_names_a_table_and_the_way_to_it(text: str, meant: Address) -> None:
    assert parse_address(text) == meant
    assert str(meant) == f"dynamodb://{meant.table}"


REGION = "`region` must be a valid region name (example: us-east-1)"
URL = "`endpoint_url` must be the URL of a host without a user or a path (example: http://127.0.0.1:8000)"
LEASES = "`leases` must be on or off; off is for tests"
TERM = "`term` must be a duration from 1s to 5m, the same for every daemon of the table"
NAME = f"{FORM}; a table's name has 3 to 255 letters, digits, dots, dashes and underscores"
UNKNOWN = "unknown key after the question mark; "


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("dynamo://watcher", FORM),
        ("dynamodb://", NAME),
        ("dynamodb://ab", NAME),
        ("dynamodb://a/table", NAME),
        ("dynamodb://watcher?region", FORM),
        ("dynamodb://watcher?zone=a", UNKNOWN + "the keys are region, endpoint_url, leases, term"),
        ("dynamodb://watcher?zone=", UNKNOWN + "the keys are region, endpoint_url, leases, term"),
        ("dynamodb://watcher?regoin=us-east-1", UNKNOWN + "did you mean 'region'?"),
        (
            "dynamodb://watcher?region=eu-west-1&region=eu-west-2",
            f"{FORM}; a key after the question mark is given twice",
        ),
        ("dynamodb://watcher?region=Ireland", REGION),
        ("dynamodb://watcher?region=", REGION),
        ("dynamodb://watcher?endpoint_url=http://a:8000/path", URL),
        ("dynamodb://watcher?endpoint_url=http://a:8000%23part", URL),
        ("dynamodb://watcher?endpoint_url=ftp://a", URL),
        ("dynamodb://watcher?endpoint_url=http://me:secret@a", URL),
        ("dynamodb://watcher?endpoint_url=http://a:99999", URL),
        ("dynamodb://watcher?endpoint_url=http://a:0", URL),
        ("dynamodb://watcher?leases=no", LEASES),
        ("dynamodb://watcher?term=soon", TERM),
        ("dynamodb://watcher?term=999ms", TERM),
        ("dynamodb://watcher?term=301s", TERM),
    ],
)
def test_anything_else_is_refused_in_words_that_repeat_none_of_it(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        parse_address(text)
