"""Clients with whole histograms, as a measured run has them."""

from __future__ import annotations

import math
from functools import cache

import msgspec

from brokerproof.probes.outcome import Distribution, LatencyFacts, Outcome
from brokerproof.probes.outcome.distribution import distribution
from brokerproof.reports.document import ClientResult
from brokerproof.topology.expectation.view import ClientView
from tests.reports.builder import NO_FAULT, Faults, client_result, measurements

US = 1_000


@cache
def recorded(samples: int, median_us: int, spread: float) -> Distribution:
    """A histogram of samples that rise evenly on a logarithmic scale, with a long last tenth."""
    each = (place / samples for place in range(samples))
    return distribution([int(median_us * US * math.exp(spread * (q - 0.5) + 4 * max(0, q - 0.9))) for q in each])


def measured(view: ClientView, faults: Faults = NO_FAULT, *, samples: int = 1_000, slower: float = 1.0) -> ClientResult:
    result = client_result(view, faults, samples=samples)
    return msgspec.structs.replace(result, outcomes=tuple(_whole(o, samples, slower) for o in result.outcomes))


def timed(result: ClientResult, *, samples: int = 1_000, slower: float = 1.0) -> ClientResult:
    """The same result with measurements of all its brokers."""
    made = tuple(_whole(outcome, samples, slower) for outcome in measurements(result.view, samples))
    return msgspec.structs.replace(result, outcomes=(*result.outcomes, *made))


def _whole(outcome: Outcome, samples: int, slower: float) -> Outcome:
    facts = outcome.facts
    if not isinstance(facts, LatencyFacts):
        return outcome
    median_us = int(1_500 * slower * (1 + (outcome.target.broker_id or 0) / 5))
    ack, end = (recorded(samples, us, 1.2) for us in (median_us, 2 * median_us))
    return msgspec.structs.replace(outcome, facts=msgspec.structs.replace(facts, produce_ack=ack, end_to_end=end))
