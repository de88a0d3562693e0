"""What a server counts, in the form that Prometheus reads."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

#: Seconds. From a short text alone to the longest waits of a full queue.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "ondol_requests",
            "Requests answered, by path and status; 499: the client was gone",
            ("path", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "ondol_request_seconds",
            "From the head of a request to the end of its response",
            ("path",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_progress = Gauge(
            "ondol_requests_in_progress",
            "Requests that are read, waiting, running or being answered",
            registry=self._registry,
        )
        self.texts = Counter("ondol_texts", "Texts embedded", registry=self._registry)
        self.tokens = Counter(
            "ondol_tokens", "Tokens of these texts, special ones included", registry=self._registry
        )
        self.truncated = Counter(
            "ondol_truncated_texts",
            "Texts that were longer than the model's maximum and were cut",
            registry=self._registry,
        )
        self.pairs = Counter("ondol_pairs", "Pairs scored for reranking", registry=self._registry)
        self.batch_texts = Histogram(
            "ondol_batch_texts",
            "Texts or pairs that the engine got at once",
            buckets=_TEXTS,
            registry=self._registry,
        )

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Have the number of waiting items asked for whenever the metrics are read."""
        gauge = Gauge(
            "ondol_waiting_texts",
            "Texts and pairs that wait for the engine",
            registry=self._registry,
        )
        gauge.set_function(waiting)

    def exposition(self) -> bytes:
        """All of it, as text/plain; version=0.0.4."""
        return generate_latest(self._registry)
