"""``latency``: of records through the cluster, and of fresh connections to each address."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.measured import Distribution, HostLoad
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import CLIENT, Reason, Stage


class LatencyFacts(StageFacts, frozen=True, tag="latency"):
    """Records, measured after the warm-up at a fixed arrival rate, whether or not earlier ones came back.

    ``produce_ack`` and ``end_to_end`` are from the send. Those ``scheduled`` are from when the record had to be
    sent, so that what a stall held up is counted in full (coordinated omission is corrected).
    """

    record_bytes: int
    warm_up_samples: int
    produce_ack: Distribution
    end_to_end: Distribution
    lost: int = 0
    produce_ack_scheduled: Distribution | None = None
    end_to_end_scheduled: Distribution | None = None
    warm_up: Distribution | None = None
    """Acknowledgements of the warm-up alone."""
    host: HostLoad | None = None


class PathLatencyFacts(StageFacts, frozen=True, tag="path_latency"):
    """Fresh connections to one address at a fixed arrival rate, after a warm-up; ``scheduled`` as for records.

    ``resolve`` is of the name, so it is the same for all addresses of one endpoint; None for an address that
    stands in place of a name. ``handshake`` is None in plaintext.
    """

    warm_up_samples: int
    connect: Distribution
    connect_scheduled: Distribution
    handshake: Distribution | None = None
    handshake_scheduled: Distribution | None = None
    resolve: Distribution | None = None
    resolve_scheduled: Distribution | None = None
    warm_up: Distribution | None = None
    """Connects of the warm-up alone."""
    kernel_rtt: Distribution | None = None
    """Of the same connects by the kernel's own clock (TCP_INFO), without the client's waking up; None where it does
    not say."""
    failed: int = 0
    """Samples that came to nothing; they are in no distribution."""
    host: HostLoad | None = None


SPEC: Final = StageSpec(
    stage=Stage.LATENCY,
    after=(Stage.GROUP,),
    needs=(Stage.CONSUME,),
    may_follow=frozenset({Stage.PATH_SIZE}),
    per=Per.CLUSTER,
    judged_per=Per.BROKER,
    measurement=True,
    title="latency at broker {broker_id} is measured: no record is lost, and every connection is accepted",
    reasons=CLIENT | {Reason.RECORDS_LOST},
    facts=(LatencyFacts, PathLatencyFacts),
)
