"""One aiobotocore session for each account: its credentials, its profile, its role.

A session refreshes the credentials that can be refreshed (of a role, a container or an instance), and reads profiles
once. A session that found no credentials is replaced after `RENEW_SECONDS`, and so is one whose credentials AWS refuses
(`renew`).
"""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Iterable
from math import inf
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError

from watcher.aws.call_errors import LOADING_SECONDS, credentials_failure
from watcher.aws.credential_chain import Chain, ambient_chain, assumed_role
from watcher.aws.http_session import BoundedSession
from watcher.aws.responses import JsonModels, ResponseParserFactory
from watcher.core.settings import Account
from watcher.errors import EndpointUnreadable
from watcher.util.single_flight import SingleFlight

Credentials = tuple[str, str | None, str | None, str | None]

RENEW_SECONDS = 30.0
"""Seconds between two attempts to load an account's missing, wrong or refused credentials again."""

ADVISORY_SECONDS, MANDATORY_SECONDS = (120.0, 900.0), (60.0, 600.0)
"""How long before credentials expire, at least and at most, newer ones are loaded (advisory), and calls wait for them
(mandatory). The upper limits are botocore's; credentials that last only minutes would always be within them.
"""


class Session:
    """An account's session and credentials, shared by all its clients; roles are assumed in `region`."""

    def __init__(self, account: Account, region: str, loader: Any) -> None:
        self._account = account
        self.region = region
        self.botocore = AioSession(profile=account.profile)
        # Also for the clients that the providers of credentials make: those of STS, SSO and logins.
        self.botocore.set_default_client_config(AioConfig(http_session_cls=BoundedSession))
        self.botocore.register_component("data_loader", loader)
        self.botocore.register_component("response_parser_factory", ResponseParserFactory())
        self.botocore.register_component("credential_provider", self)
        self._credentials: Any = None
        self._chain: Chain | None = None
        self._loading: SingleFlight[None] = SingleFlight(self._load, keep=0.0)
        self.renewed_at = -inf
        """When it replaced a session whose credentials AWS refused (monotonic seconds); `-inf`: it did not."""
        self.failed_at = inf
        """Since when loading credentials fails (monotonic seconds); `inf`: it does not."""

    @property
    def fresh(self) -> bool:
        """Whether calls can be signed and no refresh of the credentials is due."""
        return not self._needs_refresh(None)

    @property
    def usable(self) -> bool:
        """Whether calls can be signed without a wait, though a refresh of the credentials may be due."""
        return not self._needs_refresh(getattr(self._credentials, "_mandatory_refresh_timeout", None))

    async def prepare(self) -> None:
        """Wait until calls can be signed.

        Raises:
            EndpointUnreadable: there are no credentials; the message names the provider and the fault.
        """
        if self.fresh:
            return
        if not self.usable:
            await self._loading.get()
            return
        with contextlib.suppress(TimeoutError, EndpointUnreadable):
            async with asyncio.timeout(0):  # begin, and do not wait
                await self._loading.get()

    async def load_credentials(self) -> Any:
        """Return the credentials; botocore calls this method of its component `credential_provider`."""
        return self._credentials

    def failure(self, error: Exception, asked: str = "") -> EndpointUnreadable:
        """The failure for an exception raised while a client was opened, or credentials were loaded from `asked`."""
        self.failed_at = min(self.failed_at, time.monotonic())
        profile = self.botocore.get_config_variable("profile")
        try:
            ca_bundle = self.botocore.get_scoped_config().get("ca_bundle")
        except BotoCoreError:
            ca_bundle = None
        return credentials_failure(
            error, profile=profile or "default", asked=asked, ca_bundle=ca_bundle, environ=os.environ
        )

    @property
    def asked(self) -> str:
        """The last provider asked, by botocore's name; empty: none was."""
        return "" if self._chain is None else self._chain.asked

    def close(self) -> None:
        """Stop loading credentials, and kill a `credential_process` that is running."""
        self._loading.close()

    def _needs_refresh(self, within: float | None) -> bool:
        """Whether there are no credentials, or they expire `within` seconds (None: botocore's own limit)."""
        if isinstance(self._credentials, RefreshableCredentials):
            return bool(self._credentials.refresh_needed(within))
        return self._credentials is None

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                self._credentials = await self._loaded()
        except EndpointUnreadable as error:
            raise self.failure(error, self.asked) from None
        except Exception as error:
            raise self.failure(error, self.asked) from error
        finally:
            if self.usable:  # new credentials, or old ones that are still valid
                self.failed_at = inf

    async def _loaded(self) -> Any:
        """Credentials that can sign now."""
        credentials = self._credentials
        if credentials is None:
            self._chain = chain = ambient_chain(self.botocore, self.region)
            credentials = await chain.load_credentials()
            if credentials is None:
                raise NoCredentialsError
            if self._account.role_arn is not None:
                credentials = assumed_role(self.botocore, self._account, self.region, credentials)
            chain.asked = credentials.method
        frozen = await credentials.get_frozen_credentials()
        token = ("session token", frozen.token or "none")
        for what, value in (("access key", frozen.access_key), ("secret key", frozen.secret_key), token):
            if not isinstance(value, str) or not re.fullmatch("[!-~]+", value):
                raise ValueError(f"the {what} is not a text of visible ASCII characters")
        if self._credentials is None and isinstance(credentials, RefreshableCredentials):
            left = credentials._seconds_remaining()  # noqa: SLF001  botocore has no setting for these
            credentials._advisory_refresh_timeout = _within(left / 2, *ADVISORY_SECONDS)  # noqa: SLF001  the same
            credentials._mandatory_refresh_timeout = _within(left / 4, *MANDATORY_SECONDS)  # noqa: SLF001  the same
        return credentials


class Sessions:
    """The sessions of all accounts."""

    def __init__(self) -> None:
        self._loader = JsonModels()
        """Shared by all sessions, so that the service models are read once."""
        self._sessions: dict[Credentials, Session] = {}

    def of(self, account: Account, region: str) -> Session:
        """The account's session; a new one assumes the account's role in `region`."""
        key = credentials_of(account)
        session = self._sessions.get(key)
        if session is None or time.monotonic() - session.failed_at >= RENEW_SECONDS:
            # The faulty files or variables may have been corrected.
            self._sessions[key] = session = Session(account, region, self._loader)
        return session

    def renew(self, account: Account, stale: Session) -> bool:
        """Replace the session `stale` at the account's next call; returns whether there may be newer credentials."""
        key = credentials_of(account)
        if self._sessions.get(key) is not stale:
            return True
        now = time.monotonic()
        if now - stale.renewed_at < RENEW_SECONDS:
            return False
        self._sessions[key] = renewed = Session(account, stale.region, self._loader)
        renewed.renewed_at = now
        return True

    def keep(self, accounts: Iterable[Account]) -> None:
        """Drop the sessions of all other accounts, except the ambient one, which the state table may use.

        Calls that are under way go on.
        """
        wanted = {credentials_of(account) for account in accounts}
        self._sessions = {key: each for key, each in self._sessions.items() if key in wanted or not any(key[1:])}

    def drop(self) -> None:
        """Drop all sessions, so that profiles, credentials and certificates are loaded again at the next call."""
        self._sessions.clear()

    def close(self) -> None:
        """Stop loading credentials."""
        for session in self._sessions.values():
            session.close()


def _within(seconds: float, least: float, most: float) -> float:
    return min(most, max(least, seconds))


def credentials_of(account: Account) -> Credentials:
    """What an account's session is made from; a change replaces the session."""
    external_id = None if account.external_id is None else account.external_id.get_secret_value()
    return (account.name, account.profile, account.role_arn, external_id)
