"""A collector of traces on a real socket: takes OTLP over HTTP as protobuf, and shows what came as a tree."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.receiver import Receiver, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Came:
    """One span, as the collector was told of it."""

    id: str
    parent: str
    """Empty: it has none."""
    trace: str
    name: str
    kind: int
    failed: str | None
    """What its error status says; None: it has none."""
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    links: Sequence[str]
    """The ids of the spans that it is linked to."""
    text: str
    """All of it, events as well."""


class Collector(Receiver):
    """Takes what is exported, as a receiver of POSTs."""

    @property
    def endpoint(self) -> str:
        """Its base URL."""
        return self.url("")

    def spans(self, beginning: str = "") -> list[Came]:
        """Every span that came and whose name begins so."""
        return [span for body in self._bodies() for span in _spans(body) if span.name.startswith(beginning)]

    def below(self, parent: Came) -> list[Came]:
        """A span's children."""
        return [span for span in self.spans() if span.parent == parent.id]

    def _bodies(self) -> list[bytes]:
        return [request.body for request in self.received if request.path == "/v1/traces"]


@asynccontextmanager
async def collecting(*script: Reply) -> AsyncIterator[Collector]:
    """A collector at work, until the block ends."""
    collector = Collector(*script)
    await collector.start()
    try:
        yield collector
    finally:
        await collector.stop()


def _spans(body: bytes) -> list[Came]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Came(
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            trace=span.trace_id.hex(),
            name=span.name,
            kind=span.kind,
            failed=span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
            attributes=_values(span.attributes),
            resource=_values(of.resource.attributes),
            links=[link.span_id.hex() for link in span.links],
            text=str(span),
        )
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
