"""Why an account has no credentials: each exception of botocore's, and what is reported of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions as botocore_errors

from watcher.aws.call_errors import credentials_failure
from watcher.aws.profiles import ca_fault, config_faults
from watcher.aws.proxies import UNUSABLE
from watcher.errors import EndpointUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HERE = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}

MOVED: Any = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": 307, "HTTPHeaders": {"location": "//[x"}}}
"""The answer of something that redirects to what is not a URL."""


def failure(error: Exception, environ: Mapping[str, str] = HERE, asked: str = "custom-process") -> EndpointUnreadable:
    return credentials_failure(error, profile="team", asked=asked, ca_bundle=None, environ=environ)


@pytest.mark.parametrize(
    ("error", "told", "passing"),
    [
        (EndpointUnreadable("MFARequired", "it asks"), "MFARequired: it asks", False),
        (botocore_errors.NoCredentialsError(), "NoCredentials: Unable to locate credentials", False),
        (botocore_errors.ProfileNotFound(profile="team"),
         "ProfileNotFound: The config profile (team) could not be found", False),
        (botocore_errors.ConfigParseError(path="/x/config", error=ValueError()),
         "ConfigParse: Unable to parse config file: /x/config", False),
        (botocore_errors.CredentialRetrievalError(provider="container-role", error_msg="500"),
         "CredentialRetrievalError: Error when retrieving credentials from container-role: 500", True),
        (botocore_errors.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole"),
         "AccessDenied: AssumeRole: no", False),
        (botocore_errors.ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "AssumeRole"),
         "Throttling: AssumeRole: slow", True),
        (botocore_errors.ClientError(MOVED, "AssumeRole"),
         "307: AssumeRole: the answer is a redirect (307)", False),
        (botocore_errors.EndpointConnectionError(endpoint_url="https://sts"),
         'ConnectionFailed: Could not connect to the endpoint URL: "https://sts"', True),
        (botocore_errors.HTTPClientError(error=botocore_errors.InvalidProxiesConfigError()),
         f"InvalidProxy: the proxy in HTTPS_PROXY or HTTP_PROXY {UNUSABLE}", False),
        (FileNotFoundError(2, "No such file or directory", "/x/token"),
         "CredentialRetrievalError: the variable AWS_WEB_IDENTITY_TOKEN_FILE names /x/token: No such file or directory",
         False),
        (FileNotFoundError(2, "No such file or directory", "/y/token"),
         "CredentialRetrievalError: profile 'team': /y/token: No such file or directory", False),
        (TimeoutError(), "CredentialsTimeout: no credentials within 30s from `credential_process`", True),
        (KeyError(1),
         "CredentialRetrievalError: profile 'team': what `credential_process` returned could not be read: KeyError: 1",
         False),
    ],
)  # fmt: skip
def test_an_error_is_reported_with_the_profile_and_what_it_asks_for(
    error: Exception, told: str, *, passing: bool
) -> None:
    said = failure(error, {**HERE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/x/token"})
    assert (str(said), said.passing, said.throttled) == (told, passing, False)


def test_what_no_provider_returned_is_a_fault_of_the_configuration() -> None:
    """Such as AWS_ENDPOINT_URL."""
    said = failure(ValueError("Invalid endpoint: foo"), asked="")
    assert str(said) == "InvalidConfig: profile 'team': no client can be made: ValueError: Invalid endpoint: foo"


@pytest.mark.parametrize(
    ("error", "code", "command"),
    [
        (botocore_errors.UnauthorizedSSOTokenError(), "SSOLoginRequired", "aws sso login"),
        (botocore_errors.SSOTokenLoadError(error_msg="none"), "SSOLoginRequired", "aws sso login"),
        (botocore_errors.TokenRetrievalError(provider="sso", error_msg="old"), "SSOLoginRequired", "aws sso login"),
        (botocore_errors.LoginRefreshRequired(), "LoginRequired", "aws login"),
        (botocore_errors.LoginTokenLoadError(error_msg="none"), "LoginRequired", "aws login"),
    ],
)
def test_a_login_that_is_asked_for_is_named_with_its_command(error: Exception, code: str, command: str) -> None:
    begin, end = (
        "profile 'team' asks for a login: ",
        f"; run `{command} --profile team` as the user that watcher runs as",
    )
    assert (failure(error).code, failure(error).message) == (code, f"{begin}{str(error).rstrip('.')}{end}")


def test_every_error_of_botocores_is_an_endpoint_that_cannot_be_read() -> None:
    """Also those that a newer botocore adds."""
    for kind in vars(botocore_errors).values():
        if isinstance(kind, type) and issubclass(kind, Exception):
            error = kind.__new__(kind)
            Exception.__init__(error, "a reason")
            error.response, error.operation_name = {}, "AssumeRole"  # type: ignore[attr-defined]
            assert isinstance(failure(error), EndpointUnreadable), kind


@pytest.mark.parametrize(
    ("variables", "of_profile", "told"),
    [
        ({}, None, None),
        ({"AWS_CA_BUNDLE": "{missing}"}, None, "the variable AWS_CA_BUNDLE names {missing}: No such file or directory"),
        ({"AWS_CA_BUNDLE": "{text}"}, None, "the variable AWS_CA_BUNDLE names {text}: not a file of PEM certificates"),
        ({"AWS_CA_BUNDLE": "{here}"}, None, "the variable AWS_CA_BUNDLE names {here}: Is a directory"),
        ({}, "{missing}", "`ca_bundle` of the AWS profile names {missing}: No such file or directory"),
        ({"REQUESTS_CA_BUNDLE": "{text}"}, "{good}", None),
        ({"AWS_CA_BUNDLE": "{good}"}, "{missing}", None),
        ({"REQUESTS_CA_BUNDLE": "{missing}"}, None,
         "the variable REQUESTS_CA_BUNDLE names {missing}: No such file or directory"),
    ],
)  # fmt: skip
def test_a_ca_bundle_that_cannot_be_used_is_named(
    tmp_path: Path, variables: dict[str, str], of_profile: str | None, told: str | None
) -> None:
    import certifi  # noqa: PLC0415

    (tmp_path / "text").write_text("text")
    paths = {"missing": tmp_path / "none", "text": tmp_path / "text", "here": tmp_path, "good": certifi.where()}
    environ = {name: value.format(**paths) for name, value in variables.items()}
    fault = ca_fault(environ, of_profile and of_profile.format(**paths))
    assert fault == (told and told.format(**paths))
    seen = credentials_failure(
        OSError("no"), profile="", asked="", ca_bundle=of_profile and of_profile.format(**paths), environ=environ
    )
    assert seen.code == ("InvalidCABundle" if told else "ConnectionFailed")


def test_missing_credentials_report_a_named_configuration_file_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "config"
    there.touch()
    missing = tmp_path / "none"
    environ = {"AWS_CONFIG_FILE": str(missing), "AWS_SHARED_CREDENTIALS_FILE": str(there)}
    told = f"the variable AWS_CONFIG_FILE names {missing}: No such file or directory"
    assert config_faults(environ) == [told]
    assert config_faults({"AWS_CONFIG_FILE": str(there), "AWS_SHARED_CREDENTIALS_FILE": str(there)}) == []
    monkeypatch.setenv("HOME", str(there))  # a file: what cannot be looked into is told, too
    assert config_faults({}) == [f"~/.aws/{name}: Not a directory" for name in ("config", "credentials")]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_faults({}) == []
    assert str(failure(botocore_errors.NoCredentialsError(), environ)) == (
        f"NoCredentials: Unable to locate credentials; {told}"
    )
