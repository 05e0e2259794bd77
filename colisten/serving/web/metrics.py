"""Prometheus metrics: requests by route and status, latency, queue length, events. Never users, items or query texts.

Where several processes serve (`PROMETHEUS_MULTIPROC_DIR`), whichever is asked answers for all of them.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from colisten.serving.events.intake import TakenIn

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "colisten_requests", "Requests by route and status.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "colisten_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self._events = Counter(
            "colisten_events", "Rows of events, by what became of them.", ("outcome",), registry=self._registry
        )
        self._unknown_items = Counter(
            "colisten_events_on_unknown_items", "Events on items that are not known yet.", registry=self._registry
        )
        self.waiting = Gauge(
            "colisten_waiting", "Requests that wait in the queue.", registry=self._registry, multiprocess_mode="livesum"
        )

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_events(self, taken: TakenIn) -> None:
        """Count rows that were posted."""
        outcomes = (("accepted", taken.accepted), ("duplicate", taken.duplicates), ("refused", len(taken.refused)))
        for outcome, rows in outcomes:
            self._events.labels(outcome).inc(rows)
        self._unknown_items.inc(taken.unknown_items)

    def text(self) -> str:
        """All metrics, in Prometheus' text format."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry).decode()
