"""One aiobotocore session for each account: its credentials, its profile, its role. They live as long as the process.

A session keeps refreshing what can be refreshed (a role, a container's or an instance's credentials). What it read once
and AWS no longer takes (a profile that was rotated on disk) asks for a new session: `renew`.
"""

from __future__ import annotations

import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioCredentialResolver,
    AioDeferredRefreshableCredentials,
)
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError

from watcher.answers import Answers, JsonModels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.config.settings import Account

    Credentials = tuple[str, str | None, str | None, str | None]

RENEW_EVERY = 30.0
"""Seconds: credentials that AWS refuses are not looked for more often than this."""

ROLE_SESSION = "watcher"


class _RoleProvider:
    """Credentials of an account's role, taken with those that the session would have had by itself."""

    METHOD = "assume-role"

    def __init__(self, session: AioSession, account: Account, region: str) -> None:
        self._session = session
        self._account = account
        self._region = region
        self._ambient = session.get_component("credential_provider")

    async def load(self) -> Any:
        """The role's credentials, refreshed by botocore before they expire.

        Raises:
            NoCredentialsError: there is nothing to take the role with.
        """
        source = await self._ambient.load_credentials()
        if source is None:
            raise NoCredentialsError
        extra = {"RoleSessionName": ROLE_SESSION}
        if self._account.external_id is not None:
            extra["ExternalId"] = self._account.external_id.get_secret_value()
        fetcher = AioAssumeRoleCredentialFetcher(
            client_creator=partial(self._session.create_client, region_name=self._region),
            source_credentials=source,
            role_arn=self._account.role_arn,
            extra_args=extra,
        )
        return AioDeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method=self.METHOD)


class Sessions:
    """Hands out the session of each account."""

    def __init__(self) -> None:
        """One loader for all: the service models are read once."""
        self._loader = JsonModels()
        self._sessions: dict[Credentials, AioSession] = {}
        self._renewed: dict[Credentials, float] = {}

    def of(self, account: Account, region: str) -> AioSession:
        """The account's session; `region` is where its role is taken, when this is the first time."""
        key = credentials_of(account)
        if key not in self._sessions:
            session = AioSession(profile=account.profile)
            session.register_component("data_loader", self._loader)
            session.register_component("response_parser_factory", Answers())
            if account.role_arn is not None:
                provider = _RoleProvider(session, account, region)
                session.register_component("credential_provider", AioCredentialResolver(providers=[provider]))
            self._sessions[key] = session
        return self._sessions[key]

    def renew(self, account: Account, stale: AioSession) -> bool:
        """Let the account's next session be a new one; whether `stale` is not the last word."""
        key = credentials_of(account)
        if self._sessions.get(key) is not stale:
            return True
        if time.monotonic() - self._renewed.get(key, -inf) < RENEW_EVERY:
            return False
        self._renewed[key] = time.monotonic()
        del self._sessions[key]
        return True

    def keep(self, accounts: Iterable[Account]) -> None:
        """Let go of the sessions of all others; what still calls with one keeps it until it is done."""
        wanted = {credentials_of(account) for account in accounts}
        for key in self._sessions.keys() - wanted:
            del self._sessions[key]
        self._renewed = {key: at for key, at in self._renewed.items() if key in wanted}


def credentials_of(account: Account) -> Credentials:
    """What an account's session is made from: when it changes, so does the session."""
    external_id = None if account.external_id is None else account.external_id.get_secret_value()
    return (account.name, account.profile, account.role_arn, external_id)
