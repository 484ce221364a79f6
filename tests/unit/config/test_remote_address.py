"""Which names are places in AWS, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.document import locate
from watcher.config.remote.address import is_remote, parse_remote
from watcher.config.remote.source import remote_source
from watcher.errors import ConfigError

ARN = "arn:aws:ssm:eu-west-1:111122223333:parameter/watcher/config"


@pytest.mark.parametrize(
    ("name", "service", "parts", "region"),
    [
        ("ssm:config", "ssm", ("config",), None),
        ("ssm:/watcher/config:3", "ssm", ("/watcher/config:3",), None),
        ("ssm:/watcher/config:live", "ssm", ("/watcher/config:live",), None),
        (f"ssm:{ARN}", "ssm", (ARN,), "eu-west-1"),
        ("s3://bucket/a key/watcher.yaml", "s3", ("bucket", "a key/watcher.yaml"), None),
        ("appconfig:watcher/prod/main config", "appconfigdata", ("watcher", "prod", "main config"), None),
    ],
)
def test_a_place_names_its_service_and_what_that_is_asked_for(
    name: str, service: str, parts: tuple[str, ...], region: str | None
) -> None:
    found = parse_remote(name)
    assert (found.text, found.service, found.parts, found.region) == (name, service, parts, region)


@pytest.mark.parametrize("name", ["watcher.yaml", "conf.d", "./ssm:x", "s3:/x", "SSM:x", ""])
def test_any_other_name_is_a_file(name: str) -> None:
    assert not is_remote(name)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("sssm:x", "ssm:x"),
        ("SSM:/x", "ssm:/x"),
        ("s3:bucket/key", "s3://bucket/key"),
        ("S3://bucket/key", "s3://bucket/key"),
        ("app-config:a/b/c", "appconfig:a/b/c"),
    ],
)
def test_a_misspelt_place_that_is_no_file_either_is_suggested(name: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {place}\\?"):
        locate(name, {}, tmp_path)


@pytest.mark.parametrize("name", ["watcher.yaml", "C:watcher.yaml", "ssm", "https://example.com/x.yaml", ":"])
def test_a_name_that_looks_like_no_place_is_a_missing_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="check the path"):
        locate(name, {}, tmp_path)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("ssm:", "ssm:NAME"),
        ("ssm:a b", "ssm:NAME"),
        ("s3://bucket", "s3://BUCKET/KEY"),
        ("s3:///key", "s3://BUCKET/KEY"),
        ("s3://bucket/a\nb", "s3://BUCKET/KEY"),
        ("appconfig:a/b", "appconfig:APPLICATION/ENVIRONMENT/PROFILE"),
        ("appconfig:a/b/c/d", "appconfig:APPLICATION/ENVIRONMENT/PROFILE"),
    ],
)
def test_a_wrong_place_is_a_fault_that_shows_the_form(name: str, form: str) -> None:
    with pytest.raises(ConfigError, match=f":1:1: this must be {form}"):
        remote_source(name)


def test_the_region_is_that_of_the_surroundings_and_must_be_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"^ssm:x:1:1: the region is not known; set AWS_REGION"):
        remote_source("ssm:x")
    assert remote_source(f"ssm:{ARN}").region == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert remote_source("ssm:x").key == "us-east-1 ssm:x"


def test_a_file_with_such_a_name_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "ssm:x").write_text("a: b")
    assert not is_remote("./ssm:x")
    assert locate("./ssm:x", {}, tmp_path).text == b"a: b"
