"""What botocore computes again for every session, and what is read for every sink, once for each process of the tests.

A daemon makes a few sessions and sinks; the tests make thousands, which would be half of their processor time.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import ssl
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiobotocore.session import AioSession
from botocore import hooks

from watcher.aws import http_session, sessions
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.sinks import poster

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICES = ("proton", "codeconnections", "dynamodb", "sns", "sqs", "events", "sts")

CONFIGURATION = b"""
accounts: [{name: default, regions: [us-east-1], role_arn: "arn:aws:iam::111122223333:role/watcher", external_id: id}]
stacks: [{name: network}]
templates: [{name: web, type: SERVICE, version: "1"}]
"""
"""Whose check reads the models that the checks of configurations read."""


def install() -> None:
    """Share service models, aliases of event names and usual trust, and build no signatures to look at one bit."""
    sessions.JsonModels = cache(sessions.JsonModels)
    hooks.EventAliaser.__init__ = _with_shared_names(hooks.EventAliaser.__init__)
    hooks.accepts_kwargs = _accepts_kwargs
    http_session._CONTEXTS = {}  # keeps them when no session uses them
    poster.ssl = SimpleNamespace(**{**vars(ssl), "create_default_context": _default_context})


def fill() -> None:
    """Load all models that the command reads: processes that are forked from this one have them."""
    parse(Document("watcher.yaml", CONFIGURATION), {}, lambda _: None)
    asyncio.run(_clients())
    _default_context()
    http_session.BoundedSession()._build_ssl_contexts(None)


def _with_shared_names(init: Any) -> Any:
    names: dict[str, str] = {}

    def shared_init(self: Any, emitter: Any, event_aliases: Any = None) -> None:
        init(self, emitter, event_aliases)
        if self._event_aliases == hooks.EVENT_ALIASES:
            self._alias_name_cache = names

    return shared_init


@cache
def _trust_of(_create: Callable[[], ssl.SSLContext], *_environment: str | None) -> ssl.SSLContext:
    return _create()


def _default_context(*, cafile: str | None = None) -> ssl.SSLContext:
    if cafile:
        return ssl.create_default_context(cafile=cafile)
    return _trust_of(ssl.create_default_context, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def _accepts_kwargs(function: Any) -> Any:
    code = getattr(function, "__code__", None)
    if code is None:
        return inspect.getfullargspec(function).varkw
    return code.co_flags & inspect.CO_VARKEYWORDS


async def _clients() -> None:
    session = AioSession()
    session.register_component("data_loader", sessions.JsonModels())
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    for service in SERVICES:
        async with session.create_client(service, region_name="us-east-1", **keys):
            pass
