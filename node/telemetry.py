"""Structured logs and Prometheus metrics. No account numbers, names or secrets in either.

A log event is a few words plus ids, counts and codes. What may carry content (records, file
lines, request bodies, passphrases) is dropped by key, so that a careless call cannot leak it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECRET_KEYS: Final = frozenset(
    {
        "account",
        "body",
        "counterparty_account",
        "counterparty_name",
        "passphrase",
        "password",
        "payload",
        "record",
        "remittance",
        "secret",
        "token",
    }
)
LATENCY_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


def drop_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace what must not be logged; bytes become their first eight hex digits."""
    for key, value in event.items():
        if key in SECRET_KEYS:
            event[key] = "(not logged)"
        elif isinstance(value, bytes):
            event[key] = value.hex()[:16]
    return event


def configure_logging(level: str, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Set the process's logging up; call once, from the composition root.

    Lines go to standard error, or to `stream`; colours to a terminal alone.
    """
    colours = (sys.stderr if stream is None else stream).isatty()
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=colours)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            drop_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=_to_standard_error if stream is None else _printing_to(stream),
        # Module-level loggers exist before this is called, and must follow it.
        cache_logger_on_first_use=False,
    )


def _to_standard_error(*_names: object) -> structlog.PrintLogger:
    """Standard output belongs to `--json -`; looked up late, since tests and shells replace it."""
    return structlog.PrintLogger(sys.stderr)


def _printing_to(stream: TextIO) -> Callable[..., structlog.PrintLogger]:
    return lambda *_names: structlog.PrintLogger(stream)


def logger(part: str) -> structlog.stdlib.BoundLogger:
    """Return a logger that says which part speaks."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(part=part)
    return bound


def _registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


@dataclass(frozen=True)
class Metrics:
    """The figures of one node; several nodes in one process each have their own registry."""

    registry: CollectorRegistry = field(default_factory=_registry)
    outbox_depth: Gauge = field(init=False)
    outbox_oldest_s: Gauge = field(init=False)
    in_flight: Gauge = field(init=False)
    lane_gap: Gauge = field(init=False)
    head_age_s: Gauge = field(init=False)
    follower_lag_blocks: Gauge = field(init=False)
    held: Gauge = field(init=False)
    queue_depth: Gauge = field(init=False)
    batches: Gauge = field(init=False)
    entries: Gauge = field(init=False)
    rewinds: Counter = field(init=False)
    incidents_open: Gauge = field(init=False)
    sends: Counter = field(init=False)
    chain_errors: Counter = field(init=False)
    confirm_s: Histogram = field(init=False)
    match_s: Histogram = field(init=False)
    breaks_open: Gauge = field(init=False)

    def __post_init__(self) -> None:
        """Register every figure."""
        gauges = {
            "outbox_depth": ("Intents that are not done", ()),
            "outbox_oldest_s": ("Age of the oldest intent that is not done", ()),
            "in_flight": ("Transactions sent and not final", ("lane",)),
            "lane_gap": ("Own nonces that are in no block yet", ("lane",)),
            "held": ("What waits for a person: calls, records, keys", ("what",)),
            "queue_depth": ("Records that wait to be sealed", ()),
            "batches": ("Batches on the ledger, by what they turned out to be", ("state",)),
            "entries": ("Entries on the ledger that count", ()),
            "head_age_s": ("Age of the newest block", ()),
            "follower_lag_blocks": ("Head minus cursor", ()),
            "incidents_open": ("Incidents nobody closed", ()),
            "breaks_open": ("Open breaks", ("kind", "age")),
        }
        counters = {
            "rewinds": ("Reorganisations followed", ()),
            "sends": ("Transactions sent, again ones included: taken or refused", ("outcome",)),
            "chain_errors": ("Errors of the chain or its endpoint", ("code",)),
        }
        histograms = {
            "confirm_s": ("Signed to final", ()),
            "match_s": ("Batch seen to provisional match", ()),
        }
        for name, (says, labels) in gauges.items():
            self._set(name, Gauge(f"kanhe_{name}", says, labels, registry=self.registry))
        for name, (says, labels) in counters.items():
            self._set(name, Counter(f"kanhe_{name}", says, labels, registry=self.registry))
        for name, (says, labels) in histograms.items():
            metric = Histogram(
                f"kanhe_{name}", says, labels, registry=self.registry, buckets=LATENCY_BUCKETS_S
            )
            self._set(name, metric)

    def _set(self, name: str, metric: Gauge | Counter | Histogram) -> None:
        object.__setattr__(self, name, metric)


# Until the composition root says otherwise: warnings, for people. structlog's own default would
# write everything to standard output.
configure_logging("warning", as_json=False)
