"""The section `tracing`, as a user writes it."""

from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from watcher.config.fields import HEADER_NAME_SCHEMA, HTTP_URL, Headers, Share, text_schema
from watcher.config.strict_model import StrictModel, faults_of
from watcher.config.tree import Keys
from watcher.config.url_readers import header_name, http_url
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


class TracingModel(StrictModel):
    """The export of traces of polls and deliveries by OTLP over HTTP; needs the extra `otel`."""

    endpoint: Annotated[str, PlainValidator(_endpoint), text_schema(HTTP_URL)] = Field(
        examples=["http://127.0.0.1:4318"]
    )
    """The collector's base URL; /v1/traces is added to it."""
    headers: Headers[HeaderName] = Field(default={}, examples=[{"Authorization": "Bearer ${TOKEN}"}])
    """Headers of every export. Secrets: take them from variables."""
    sample: Share = 1.0
    """The share of the traces that is sent: 1 is all, 0.1 is one in ten."""


def _with_extra(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Report a missing extra in addition to other faults."""
    if isinstance(value, Keys) and not all(map(_installed, EXTRA)):
        message = "tracing needs OpenTelemetry; install watcher with it: pip install '.[otel]'"
        faults_of(info).report(value.place, message)
    return handler(value)


def _installed(module: str) -> bool:
    """Whether it can be imported; importing it would take time and memory."""
    try:
        return find_spec(module) is not None
    except ImportError:  # of its package
        return False


WithExtra = Annotated[TracingModel, WrapValidator(_with_extra)]
