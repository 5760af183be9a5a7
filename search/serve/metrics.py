"""What a server counts, for Prometheus."""

from collections.abc import Callable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

# Names that clients make up must not become series of their own.
_METHODS = ("GET", "HEAD", "POST")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Metrics:
    """The counters of one server; nothing in them names a user, a sentence or a video."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "seds_requests", "Requests answered.", ("route", "method", "status"),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "seds_request_seconds", "Seconds from a request to the end of its answer.", ("route",),
            registry=self._registry, buckets=_SECONDS,
        )  # fmt: skip
        self._refused = Counter(
            "seds_refused", "Requests refused before they were looked at.", ("reason",),
            registry=self._registry,
        )  # fmt: skip

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Adds a value that is asked for whenever the metrics are read."""
        Gauge(name, meaning, registry=self._registry).set_function(value)

    def answered(self, scope: dict[str, Any] | Any, status: int, seconds: float) -> None:  # noqa: ANN401 - an ASGI scope
        """Counts a request by the pattern of its route."""
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, reason: str) -> None:
        """Counts a request that the guard has refused."""
        self._refused.labels(reason).inc()

    def exposition(self) -> bytes:
        """Returns all values in Prometheus' text format."""
        return generate_latest(self._registry)
