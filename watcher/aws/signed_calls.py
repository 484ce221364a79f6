"""Makes the calls of a client: those that are alike in all but their parameters are signed and sent without botocore.

botocore makes the first request of each operation. What later requests of it have in common with this one (URL, headers
but for date, credentials and signature) is kept, and its signature is made again as a test. If that gives another
signature, or if later requests may differ from the first one in more, botocore makes every call of the operation.
"""

from __future__ import annotations

import json
import time
from functools import cache, lru_cache
from random import getrandbits
from types import FunctionType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from botocore import xform_name
from botocore.exceptions import ClientError

from watcher.aws.http_session import Form
from watcher.aws.responses import ResponseParserFactory
from watcher.aws.sigv4 import ALGORITHM, Keys, Scope, Signer, canonical_request
from watcher.util.redaction import remember

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiobotocore.session import AioSession

log = structlog.get_logger("watcher.aws")

DATE, TOKEN, INVOCATION = "x-amz-date", "x-amz-security-token", "amz-sdk-invocation-id"
OWN = (DATE, TOKEN, INVOCATION, "authorization", "content-length")
"""Headers that each request has for itself. All names of headers are in lower case here."""


class UnusualError(Exception):
    """The requests of an operation cannot be made from its first one; the text says why."""


class RequestTemplate:
    """What all requests of an operation have in common."""

    def __init__(self, model: Any, sent: Any, keys: Keys) -> None:
        """Learn it from the request `sent`, which botocore made and signed with `keys`; `model`: of the operation.

        Raises:
            UnusualError: a request that is made from it might differ from botocore's.
        """
        _refuse_unusual(model)
        headers = {name.lower(): _text(value) for name, value in sent.headers.items()}
        authorization = headers.get("authorization", "")
        if not authorization.startswith(f"{ALGORITHM} Credential="):
            raise UnusualError("its signature is not of version 4")
        if sent.method != "POST" or _body(json.loads(sent.body)) != sent.body:
            raise UnusualError("it is not sent as JSON by POST")
        credential, signed, _ = authorization.split(", ")
        _, _, region, service, _ = credential.rsplit("/", 4)
        self.form = Form(sent.url, {name: value for name, value in headers.items() if name not in OWN})
        self._own = [name for name in (DATE, TOKEN, INVOCATION) if name in headers]
        names = signed.removeprefix("SignedHeaders=").split(";")
        self._signed = {name: headers.get(name, urlsplit(sent.url).netloc) for name in names}  # not sent: `host`
        self._signer = Signer(Scope(region, service))
        if self._authorization({name: headers[name] for name in self._own}, sent.body, keys) != authorization:
            raise UnusualError("its signature has another form")

    def fits(self, parameters: Mapping[str, Any], keys: Keys) -> bool:
        """Return whether botocore would make the request for these in this form."""
        return (
            (TOKEN in self._own) == (keys.token is not None)
            and f"{keys.access_key}{keys.token}".isprintable()  # a line break would end the header
            and all(isinstance(value, (str, int)) for value in parameters.values())
        )

    def request(self, parameters: Mapping[str, Any], keys: Keys) -> tuple[dict[str, str], bytes]:
        """Return its own headers and the body of the request for these parameters, dated now and signed."""
        body, own = _body(parameters), {DATE: _date(int(time.time()))}
        if keys.token is not None:
            own[TOKEN] = keys.token
        if INVOCATION in self._own:
            own[INVOCATION] = str(UUID(int=getrandbits(128), version=4))
        return {**own, "authorization": self._authorization(own, body, keys)}, body

    def _authorization(self, own: Mapping[str, str], body: bytes, keys: Keys) -> str:
        signed = {name: own.get(name, value) for name, value in self._signed.items()}
        return self._signer.authorization(keys, own[DATE], signed, canonical_request("POST", "/", signed, body))


class SignedCalls:
    """Makes the calls of one client of botocore."""

    def __init__(self, session: AioSession, api: Any) -> None:
        self._session = session
        self._api = api
        self._model = api.meta.service_model
        self._http = api._endpoint.http_session  # noqa: SLF001  botocore has no public name for a client's connections
        self._responses = ResponseParserFactory().create_parser("json")
        self._templates: dict[str, RequestTemplate | None] = {}
        """By operation; None: botocore makes its requests."""
        self._called: set[str] = set()
        """The operations that `call` has made: others, which are called by `api` itself, need no template."""
        self._remembered: Keys | None = None
        self._observed = type(type(api)._make_api_call) is not FunctionType  # noqa: SLF001  what tracing wraps
        """Whether a program, such as OpenTelemetry's, observes the calls that botocore makes."""
        api.meta.events.register(f"before-send.{self._model.service_id.hyphenize()}", self._before_send)

    async def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call; return its answer as `responses` leaves it, unread.

        Raises:
            ClientError: the answer is an error.
        """
        template = self._templates.get(operation)
        if template is not None and template.fits(parameters, keys := await self._keys()):
            headers, body = template.request(parameters, keys)
            return await self._answer(operation, await self._http.post(template.form, headers, body))
        self._called.add(operation)
        answer: dict[str, Any] = await getattr(self._api, xform_name(operation))(**parameters)
        return answer

    async def _answer(self, operation: str, response: dict[str, Any]) -> dict[str, Any]:
        parsed: dict[str, Any] = await self._responses.parse(response, None)
        if response["status_code"] >= 300:
            raise ClientError(parsed, operation)
        return parsed

    async def _keys(self) -> Keys:
        """The credentials for a request, which are secrets from now on."""
        frozen = await (await self._session.get_credentials()).get_frozen_credentials()
        keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
        if keys != self._remembered:
            self._remembered = keys
            remember(keys.secret_key, keys.token, temporary=True)
        return keys

    async def _before_send(self, request: Any, event_name: str, **_: Any) -> None:
        """Learn from the first request of an operation; botocore calls this before it sends one."""
        keys, operation = await self._keys(), event_name.rpartition(".")[2]
        if (
            self._observed
            or operation not in self._called
            or operation in self._templates
            or f"={keys.access_key}/" not in _text(request.headers.get("Authorization", ""))
        ):
            return  # the last: the credentials were replaced after this request was signed
        try:
            self._templates[operation] = RequestTemplate(self._model.operation_model(operation), request, keys)
        except UnusualError as error:
            self._templates[operation] = None
            _tell(self._model.service_name, operation, str(error))


def _refuse_unusual(model: Any) -> None:
    """Raise UnusualError if requests of an operation may differ in more than a JSON body of scalars."""
    if model.service_model.resolved_protocol != "json" or model.http.get("requestUri") != "/":
        raise UnusualError("its protocol is not JSON 1.0")
    if model.endpoint or model.context_parameters or model.static_context_parameters:
        raise UnusualError("its endpoint depends on its parameters")
    if model.has_streaming_input or model.has_streaming_output or model.http_checksum or model.idempotent_members:
        raise UnusualError("botocore adds to its requests")
    members = model.input_shape.members.values() if model.input_shape else ()
    if any("name" in shape.serialization for shape in members):
        raise UnusualError("its parameters are sent by other names")


def _body(parameters: Mapping[str, Any]) -> bytes:
    return json.dumps(parameters).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@cache
def _tell(service: str, operation: str, reason: str) -> None:
    log.info("requests.made_by_botocore", service=service, operation=operation, reason=reason)
