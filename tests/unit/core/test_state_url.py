"""What `dynamodb://…` may say, and what is said of what it may not."""

from __future__ import annotations

import pytest

from watcher.core.state_url import Address, parse_address


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
    ],
)
def test_an_address_names_a_table_and_the_way_to_it(text: str, meant: Address) -> None:
    assert parse_address(text) == meant
    assert str(meant) == f"dynamodb://{meant.table}"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("dynamo://watcher", "this must be dynamodb://TABLE"),
        ("dynamodb://", "3 to 255 letters"),
        ("dynamodb://ab", "3 to 255 letters"),
        ("dynamodb://a/table", "3 to 255 letters"),
        ("dynamodb://watcher?region", "this must be dynamodb://TABLE"),
        ("dynamodb://watcher?zone=a", "the keys are"),
        ("dynamodb://watcher?regoin=us-east-1", "did you mean 'region'"),
        ("dynamodb://watcher?endpoint_url=http://a:8000/path", "`endpoint_url` must be"),
        ("dynamodb://watcher?endpoint_url=http://a:8000%23part", "`endpoint_url` must be"),
        ("dynamodb://watcher?region=eu-west-1&region=eu-west-2", "is given twice"),
        ("dynamodb://watcher?region=Ireland", "`region` must be"),
        ("dynamodb://watcher?endpoint_url=ftp://a", "`endpoint_url` must be"),
        ("dynamodb://watcher?endpoint_url=http://me:secret@a", "`endpoint_url` must be"),
        ("dynamodb://watcher?endpoint_url=http://a:99999", "`endpoint_url` must be"),
        ("dynamodb://watcher?leases=no", "on or off; off is for tests"),
    ],
)
def test_anything_else_is_refused_in_words_that_repeat_none_of_it(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as refused:
        parse_address(text)
    assert "secret" not in str(refused.value)
