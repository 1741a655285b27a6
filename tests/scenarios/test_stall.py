"""A stall of one broker shows where it must: in the p99 and the maximum of what was due meanwhile."""

from __future__ import annotations

import pytest

from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import LatencyPlan
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.scenarios.stall import STALL_MS, stalled

pytestmark = pytest.mark.lab

MS = 1_000_000
LATENCY = LatencyPlan(samples=1000, warm_up=100, rate_per_s=200)


def test_a_stall_of_a_broker_shows_in_p99_and_maximum() -> None:
    """A fifth of the records were due in the second of the stalls, and most of them waited for the end of one."""
    with Lab.start(PATTERNS["in_vpc"].build(PatternOptions(brokers=1))) as lab:
        own = stalled(lab, "cluster_vpc", 1, LATENCY).brokers[1]
    for distribution in (own.produce_ack_scheduled, own.end_to_end_scheduled):
        assert distribution is not None
        assert distribution.p99_ns is not None
        assert distribution.p99_ns >= 0.75 * STALL_MS * MS
        assert distribution.max_ns >= 0.97 * STALL_MS * MS
