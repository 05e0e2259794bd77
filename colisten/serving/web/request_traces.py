"""OpenTelemetry traces: a span for each request, of route, method, status and request id. Never who asked for what:
neither paths nor queries, bodies, addresses or sentences of errors."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from starlette.datastructures import Headers

from colisten.extras import require

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_MILLISECONDS_TO_END = 2000


def require_traces() -> None:
    """Make sure that the packages of the extra `otel` are installed.

    Raises:
        SettingsError: one is missing; the message has the install command.
    """
    require("otel", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class RequestTraces:
    """Hands spans to an exporter, on a thread of its own."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        named = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "colisten"),
            "service.version": version("colisten"),
        }
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("colisten.serving")

    @classmethod
    def open(cls) -> Self:
        """To an OTLP collector, at `OTEL_EXPORTER_OTLP_ENDPOINT` or on this machine; OpenTelemetry's other variables
        hold too.

        Raises:
            SettingsError: the extra `otel` is not installed.
        """
        require_traces()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return cls(OTLPSpanExporter())

    def begin(self, method: str, headers: Headers) -> Span:
        """The span of a request that begins, below the caller's where its headers name one (`traceparent`)."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = TraceContextTextMapPropagator().extract({"traceparent": headers.get("traceparent", "")})
        return self._tracer.start_span(method, above, SpanKind.SERVER)

    def close(self) -> None:
        """Hand over what waits, for a moment at most where nobody takes it."""
        self._provider.force_flush(_MILLISECONDS_TO_END)
        self._provider.shutdown()


def end(span: Span, method: str, route: str, status: int, request_id: str) -> None:
    """End the span of a request that was answered.

    Args:
        span: from `RequestTraces.begin`.
        method: as in `GET`.
        route: its template, as in `/items/{item_id:path}`.
        status: of the answer.
        request_id: of the answer's header.
    """
    from opentelemetry.trace import StatusCode

    span.update_name(f"{method} {route}")
    span.set_attributes({
        "http.request.method": method, "http.route": route, "http.response.status_code": status,
        "colisten.request_id": request_id,
    })  # fmt: skip
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()
