"""The region of a profile, read by botocore out of real AWS configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from watcher.aws.profiles import ProfileError, botocore_profile_region
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def aws_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = us-west-1\n[profile ops]\nregion = eu-north-1\n[profile bare]\noutput = json\n"
        "[profile odd]\nregion = us-east-1a\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return config


def test_a_profiles_region_is_read_from_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert botocore_profile_region("ops") == "eu-north-1"
    assert botocore_profile_region("bare") is None
    assert botocore_profile_region(None) == "us-west-1"
    monkeypatch.setenv("AWS_PROFILE", "ops")
    assert botocore_profile_region(None) == "eu-north-1"


def test_without_files_there_is_no_region(aws_files: Path) -> None:
    aws_files.unlink()
    assert botocore_profile_region(None) is None


def test_a_file_that_cannot_be_parsed_is_an_error_of_ours(aws_files: Path) -> None:
    aws_files.write_text("[default\nregion")
    with pytest.raises(ProfileError, match=f"cannot be read: .*{aws_files}"):
        botocore_profile_region(None)


@pytest.mark.parametrize(
    ("text", "ambient", "fault"),
    [
        (
            "accounts:\n- name: a\n  profile: nobody\nstacks: [{name: s}]",
            None,
            "f:3:12: accounts[0].profile: the AWS profile 'nobody' is not in the AWS configuration files",
        ),
        (
            "accounts:\n- name: a\n  profile: odd\nstacks: [{name: s}]",
            None,
            "f:3:12: accounts[0].profile: the AWS profile 'odd' has the region 'us-east-1a', which is not a valid name",
        ),
        (
            "accounts: [{name: a}]\nstacks: [{name: s}]",
            "nobody",
            "f:1:12: accounts[0]: the AWS profile is not in the AWS configuration files",
        ),
        (
            "stacks: [{name: s}]",
            "nobody",
            "f:1:10: stacks[0]: the AWS profile is not in the AWS configuration files",
        ),
    ],
)
def test_a_profile_that_is_missing_or_has_no_valid_region_is_a_fault_at_its_place(
    text: str, ambient: str | None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ambient:
        monkeypatch.setenv("AWS_PROFILE", ambient)
    with pytest.raises(ConfigError) as refused:
        parse(Document("f", text.encode()), {}, botocore_profile_region)
    assert str(refused.value) == fault
