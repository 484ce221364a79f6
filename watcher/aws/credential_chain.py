"""The credential providers of an account: botocore's, in botocore's order, without prompts and limited in time.

https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioAssumeRoleProvider,
    AioAssumeRoleWithWebIdentityProvider,
    AioCanonicalNameCredentialSourcer,
    AioContainerProvider,
    AioCredentialResolver,
    AioDeferredRefreshableCredentials,
    AioEnvProvider,
    AioProcessProvider,
    AioProfileProviderBuilder,
    create_credential_resolver,
)
from aiobotocore.utils import (
    AioContainerMetadataFetcher,
    AioIMDSFetcher,
    _RefCountedSession,
    create_nested_client,
)

from watcher.aws import credential_process
from watcher.aws.http_session import BoundedSession
from watcher.aws.profiles import read_token
from watcher.core.settings import Account
from watcher.errors import EndpointUnreadable
from watcher.util.special_files import refuse_special

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

ROLE_SESSION = "watcher"


class _MetadataSession(_RefCountedSession, BoundedSession):  # type: ignore[misc]  # aiobotocore has no types
    """For the container's credentials server and the instance's metadata service; their answers are short."""


for _fetcher in (AioContainerMetadataFetcher, AioIMDSFetcher):
    # botocore's own session reads an answer to its end, and the providers' constructors take no other.
    _fetcher._ref_counted_session_cls = _MetadataSession  # noqa: SLF001  see above


class Chain(AioCredentialResolver):  # type: ignore[misc]  # the same
    """Asks one provider after the other. `asked` is botocore's name for the last one asked."""

    asked = ""

    async def load_credentials(self) -> Any:
        """Return the credentials of the first provider that has any; None: no provider has."""
        for provider in self.providers:
            self.asked = provider.METHOD
            if (credentials := await provider.load()) is not None:
                return credentials
        return None


class _Container(AioContainerProvider):  # type: ignore[misc]  # the same
    """The container's credentials server, with a token from a regular file only."""

    def _build_headers(self) -> Any:
        if (path := self._environ.get(self.ENV_VAR_AUTH_TOKEN_FILE)) is not None:
            refuse_special(path)
        return super()._build_headers()


class _Profiles(AioProfileProviderBuilder):  # type: ignore[misc]  # the same
    """The providers of one profile: a `credential_process` is limited in time and output, a token is a regular file."""

    def providers(self, profile_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        bounded = AioProcessProvider(
            profile_name, lambda: self._session.full_config, popen=partial(credential_process.start, profile_name)
        )
        return _with(super().providers(profile_name, *args, **kwargs), bounded)

    def _create_web_identity_provider(self, profile_name: str, disable_env_vars: bool) -> Any:  # noqa: FBT001  botocore's
        return AioAssumeRoleWithWebIdentityProvider(
            lambda: self._session.full_config,
            partial(_client, self._session, self._region_name),
            profile_name,
            cache=self._cache,
            disable_env_vars=disable_env_vars,
            token_loader_cls=lambda path: partial(read_token, path),
        )


def ambient_chain(session: AioSession, region: str) -> Chain:
    """The chain for the session's profile, or for the environment without one; roles are assumed in `region`.

    Raises:
        ProfileNotFound: the profile does not exist.
    """
    profile = session.get_config_variable("profile") or "default"
    cache: dict[str, Any] = {}
    profiles = _Profiles(session, cache=cache, region_name=region)
    only_profile = session.instance_variables().get("profile") is not None
    of_profile = profiles.providers(profile, disable_env_vars=only_profile)
    providers = _with(
        create_credential_resolver(session, cache=cache, region_name=region).providers, *of_profile, _Container()
    )
    by_method = {provider.METHOD: provider for provider in providers}
    assume_role = AioAssumeRoleProvider(
        load_config=lambda: session.full_config,
        client_creator=partial(_client, session, region),
        cache=cache,
        profile_name=profile,
        prompter=partial(_refuse, profile),
        credential_sourcer=AioCanonicalNameCredentialSourcer(
            [AioEnvProvider(), by_method["container-role"], by_method["iam-role"]]
        ),
        profile_provider_builder=profiles,
    )
    return Chain(_with(providers, assume_role))


def assumed_role(session: AioSession, account: Account, region: str, source: Any) -> Any:
    """The credentials of the account's role, assumed in `region` with those of `source`; botocore refreshes them."""
    extra = {"RoleSessionName": ROLE_SESSION}
    if account.external_id is not None:
        extra["ExternalId"] = account.external_id.get_secret_value()
    fetcher = AioAssumeRoleCredentialFetcher(
        client_creator=partial(session.create_client, region_name=region),
        source_credentials=source,
        role_arn=account.role_arn,
        extra_args=extra,
    )
    return AioDeferredRefreshableCredentials(
        refresh_using=fetcher.fetch_credentials, method=AioAssumeRoleProvider.METHOD
    )


def _client(session: AioSession, region: str, service: str, **options: Any) -> Any:
    return create_nested_client(session, service, **{"region_name": region, **options})


def _with(providers: list[Any], *others: Any) -> list[Any]:
    """The providers, where each of `others` replaces the one of the same method."""
    by_method = {provider.METHOD: provider for provider in others}
    return [by_method.get(provider.METHOD, provider) for provider in providers]


def _refuse(profile: str, prompt: str) -> NoReturn:
    """Raise an error instead of prompting a person, which would block the event loop."""
    raise EndpointUnreadable(
        "MFARequired",
        f"profile {profile!r} asks: {prompt.strip().rstrip(':')!r}; watcher never answers a prompt: use a role that "
        "needs no MFA, or a `credential_process` that needs no input",
    )
