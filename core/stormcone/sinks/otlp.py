"""The sink `otlp`: each notification is an event of OpenTelemetry, and each attempt and each event's life a span."""

import hashlib
from datetime import datetime
from typing import Any, ClassVar, Self, cast
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from stormcone import __version__
from stormcone.clock import Clock
from stormcone.errors import SinkError
from stormcone.sinks.contract import Secret, SinkSettings
from stormcone.sinks.log import FAILURES
from stormcone.sinks.notification import Notification
from stormcone.sinks.parts import overheard, part, quieten

EXTRA = "otlp"

PATIENCE = 10.0
"""Seconds until the collector has answered."""

_ENDED = frozenset({"run.succeeded", "run.retrying", "run.interrupted", "run.failed", "run.vetoed"})


class OtlpSinkSettings(SinkSettings):
    """The settings of the sink `otlp`."""

    endpoint: str = Field(
        "http://127.0.0.1:4318", description="The collector: OTLP over HTTP, without `/v1/logs` and `/v1/traces`."
    )
    headers: dict[str, Secret] = Field(default_factory=dict, description="More headers, by name.")
    spans: bool = Field(True, description="Whether to send attempts as spans, too.")

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError("it is not an http:// or https:// address without a name and a password")
        return value.rstrip("/")


class OtlpSink:
    """Exports each notification by itself, and waits for the collector's answer."""

    Settings: ClassVar[type[SinkSettings]] = OtlpSinkSettings

    def __init__(self, settings: OtlpSinkSettings) -> None:
        for logger in ("opentelemetry.exporter", "opentelemetry.sdk"):
            quieten(logger)
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        logs = part("opentelemetry.exporter.otlp.proto.http._log_exporter", EXTRA)
        traces = part("opentelemetry.exporter.otlp.proto.http.trace_exporter", EXTRA)
        self._settings = settings
        self._place = urlsplit(settings.endpoint).netloc
        self._logs = logs.OTLPLogExporter(f"{settings.endpoint}/v1/logs", headers=headers, timeout=PATIENCE)
        self._traces = traces.OTLPSpanExporter(f"{settings.endpoint}/v1/traces", headers=headers, timeout=PATIENCE)
        self._scope = part("opentelemetry.sdk.util.instrumentation", EXTRA).InstrumentationScope(
            "stormcone", __version__
        )

    @classmethod
    def from_settings(cls, settings: SinkSettings, clock: Clock) -> Self:  # noqa: ARG003 - the contract's face
        """The sink; nothing is asked yet."""
        return cls(cast(OtlpSinkSettings, settings))

    def send(self, notification: Notification) -> None:
        """Export the event, and the span that it ends."""
        resource = part("opentelemetry.sdk.resources", EXTRA).Resource(
            {**notification.data.resource, "service.version": __version__}
        )
        if self._settings.spans and notification.kind in _ENDED:
            self._export(self._traces, self._span(notification, resource))
        self._export(self._logs, self._event(notification, resource))

    def close(self) -> None:
        """Let go of its connections."""
        self._logs.shutdown()
        self._traces.shutdown()

    def _export(self, exporter: Any, what: Any) -> None:
        with overheard("opentelemetry.exporter") as said:
            taken = exporter.export([what]).name == "SUCCESS"
        if not taken:
            why = f": {said[-1]}" if said else ""
            raise SinkError(f"the collector at {self._place} has not taken it{why}")

    def _event(self, notification: Notification, resource: Any) -> Any:
        api = part("opentelemetry._logs", EXTRA)
        sdk = part("opentelemetry.sdk._logs", EXTRA)
        loud = notification.kind in FAILURES
        record = api.LogRecord(
            timestamp=_nanoseconds(notification.time),
            observed_timestamp=_nanoseconds(notification.time),
            trace_id=_trace_of(notification),
            span_id=_span_of(notification),
            severity_text="WARN" if loud else "INFO",
            severity_number=api.SeverityNumber.WARN if loud else api.SeverityNumber.INFO,
            body=notification.data.text,
            attributes=attributes_of(notification),
            event_name=notification.type,
        )
        return sdk.ReadableLogRecord(record, resource, self._scope)

    def _span(self, notification: Notification, resource: Any) -> Any:
        run = notification.data.run
        assert run is not None  # noqa: S101 - for the type checker
        trace = part("opentelemetry.trace", EXTRA)
        failed = notification.kind != "run.succeeded"
        return part("opentelemetry.sdk.trace", EXTRA).ReadableSpan(
            name=f"{run.handler}.{run.stage}",
            context=trace.SpanContext(
                _trace_of(notification), _span_of(notification), is_remote=False, trace_flags=trace.TraceFlags(1)
            ),
            resource=resource,
            attributes=attributes_of(notification),
            kind=trace.SpanKind.INTERNAL,
            status=trace.Status(trace.StatusCode.ERROR, run.note) if failed else trace.Status(trace.StatusCode.OK),
            start_time=_nanoseconds(run.begun or notification.time),
            end_time=_nanoseconds(run.ended or notification.time),
            instrumentation_scope=self._scope,
        )


def attributes_of(notification: Notification) -> dict[str, str | int | bool]:
    """What is told, as attributes; what OpenTelemetry has no name for begins with `stormcone.`."""
    data = notification.data
    found: dict[str, Any] = {
        "stormcone.notification.id": notification.id,
        "stormcone.event.id": notification.correlation,
        "stormcone.event.affects_machine": data.affects_machine,
    }
    if data.event is not None:
        names = ("impact", "cause", "phase", "outcome", "native_type", "native_status")
        found |= {f"stormcone.event.{name}": getattr(data.event, name) for name in names}
    if data.run is not None:
        found |= {f"stormcone.run.{name}": getattr(data.run, name) for name in ("handler", "stage", "attempt", "note")}
    if data.approval is not None:
        found |= {f"stormcone.approval.{name}": getattr(data.approval, name) for name in ("reason", "error")}
    plain = {name: str(value) if isinstance(value, str) else value for name, value in found.items()}
    return {name: value for name, value in plain.items() if value not in (None, "")}


def _nanoseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000) * 1000


def _number(text: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size], "big") or 1


def _trace_of(notification: Notification) -> int:
    """One trace for each event and machine."""
    return _number(f"{notification.source} {notification.correlation}", 16)


def _span_of(notification: Notification) -> int:
    """One span for each notification: what is sent twice is the same."""
    return _number(notification.id, 8)
