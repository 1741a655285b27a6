"""How much is measured of one client: briefly, or in full. Pure.

Brief keeps as many samples as each figure needs: a percentile has ten samples beyond it, or is not said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from brokerproof.probes.plan import LatencyPlan, PathLatencyPlan, ThroughputPlan
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.models import Client, Topology


class Amount(StrEnum):
    """How much is measured."""

    BRIEF = "brief"
    """The median of each address, p95 of each broker's records."""
    FULL = "full"
    """Also p99 of all records together, and throughput of four times the bytes."""


@dataclass(frozen=True, slots=True)
class MeasurementPlans:
    """What the probe is asked to measure."""

    path_latency: PathLatencyPlan
    latency: LatencyPlan
    throughput: ThroughputPlan


SAMPLES_FOR_P50: Final = 20
SAMPLES_FOR_P95: Final = 200
FULL_PATH_LATENCY: Final = PathLatencyPlan(samples=300, warm_up=30, rate_per_s=150)
FULL_LATENCY: Final = LatencyPlan(samples=1000, warm_up=150, rate_per_s=400)
FULL_LOAD: Final = ThroughputPlan(total_bytes=16 * 1024 * 1024, max_ms=2000)
BRIEF_PATH_MS: Final = 4000
BRIEF_LOAD: Final = ThroughputPlan(total_bytes=4 * 1024 * 1024, max_ms=2000)


def measured_in_lab(topology: Topology, clients: Iterable[Client], amount: Amount) -> frozenset[str]:
    """The names of the lab's clients that are measured: every one in full, one of each Region briefly.

    The one is from outside the cluster's VPC where there is such a client: it goes all of the pattern's way.
    Clients that are not measured are verified all the same.
    """
    match amount:
        case Amount.FULL:
            return frozenset(client.name for client in clients)
        case Amount.BRIEF:
            chosen: dict[str, Client] = {}
            for client in clients:
                region = topology.vpc(client.vpc_id).region_name
                home = topology.cluster(client.cluster_name).vpc_id
                if region not in chosen or (chosen[region].vpc_id == home != client.vpc_id):
                    chosen[region] = client
            return frozenset(client.name for client in chosen.values())


def measurements(view: ClientView, amount: Amount, load: ThroughputPlan | None = None) -> MeasurementPlans:
    """What is measured of a client; ``load`` replaces the throughput of ``amount``.

    Brief is never more than full: of a large cluster both have the same number of samples.
    """
    match amount:
        case Amount.FULL:
            return MeasurementPlans(FULL_PATH_LATENCY, FULL_LATENCY, load or FULL_LOAD)
        case Amount.BRIEF:
            places = {(b.name, b.port, a.address) for b in view.brokers for a in b.addresses if a.must_connect}
            connections = min(FULL_PATH_LATENCY.samples, SAMPLES_FOR_P50 * max(1, len(places)))
            records = min(FULL_LATENCY.samples, SAMPLES_FOR_P95 * max(1, len(view.brokers)))
            return MeasurementPlans(
                PathLatencyPlan(
                    samples=connections,
                    warm_up=max(1, len(places)),
                    rate_per_s=FULL_PATH_LATENCY.rate_per_s,
                    max_ms=BRIEF_PATH_MS,
                ),
                LatencyPlan(samples=records, warm_up=60, rate_per_s=FULL_LATENCY.rate_per_s),
                load or BRIEF_LOAD,
            )
