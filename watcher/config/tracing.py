"""Where traces are to be sent, as a user writes it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from watcher.config.fields import HTTP_URL, Secret, Share, text_schema
from watcher.config.headers import HEADER_NAME_SCHEMA, distinct, header_name
from watcher.config.readers import http_url
from watcher.config.strict_model import StrictModel, faults_of
from watcher.config.tree import Keys
from watcher.core.settings import TRACES_PATH

EXTRA = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.instrumentation.botocore")


def _endpoint(value: object) -> str:
    url = http_url(value, example="http://127.0.0.1:4318")
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("this must be a collector's base URL; remove what begins with ? or #")
    if parts.path.rstrip("/").endswith(TRACES_PATH):
        raise ValueError(f"this must be a collector's base URL; remove {TRACES_PATH}, which is added to it")
    return url


HeaderName = Annotated[str, PlainValidator(header_name("the exporter", "content-encoding")), HEADER_NAME_SCHEMA]


class Tracing(StrictModel):
    """Traces of polls and deliveries, by OTLP over HTTP; needs the extra `otel`."""

    endpoint: Annotated[str, PlainValidator(_endpoint), text_schema(HTTP_URL)] = Field(
        examples=["http://127.0.0.1:4318"]
    )
    """The collector's base URL; /v1/traces is added to it."""
    headers: Annotated[dict[HeaderName, Secret], AfterValidator(distinct)] = Field(
        default={}, examples=[{"Authorization": "Bearer ${TOKEN}"}]
    )
    """Sent with every export. Secrets: take them from variables."""
    sample: Share = 1.0
    """Which share of the traces is sent: 1 is all, 0.1 one in ten."""


def _with_extra(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Also say that the extra is not there, beside whatever else is wrong."""
    if isinstance(value, Keys) and not all(map(_installed, EXTRA)):
        message = "tracing needs OpenTelemetry, an extra; install it: pip install 'watcher[otel]'"
        faults_of(info).report(value.place, message)
    return handler(value)


def _installed(module: str) -> bool:
    """Whether it could be imported; importing it takes time and memory."""
    try:
        return find_spec(module) is not None
    except ImportError:  # of what it is in
        return False


WithExtra = Annotated[Tracing, WrapValidator(_with_extra)]
