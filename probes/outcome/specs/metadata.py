"""``metadata``: the brokers and the cluster id as advertised on this listener."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import KAFKA, Reason, Stage


class AdvertisedBroker(Value, frozen=True):
    """A broker as Metadata lists it."""

    broker_id: int
    name: str
    port: int
    rack: str | None = None


class MetadataFacts(StageFacts, frozen=True, tag="metadata"):
    """Metadata as answered on this connection (the listener the request came in on)."""

    cluster_id: str = ""
    controller_id: int = -1
    brokers: tuple[AdvertisedBroker, ...] = ()
    throttle_time_ms: int = 0
    """How long the broker held the answer back, or will hold this client back, by a quota (KIP-124, KIP-219)."""


SPEC: Final = StageSpec(
    stage=Stage.METADATA,
    after=(Stage.AUTHENTICATE,),
    per=Per.ADDRESS,
    judged_per=Per.BROKER,
    title="metadata advertises broker {broker_id} at {name}:{port}",
    reasons=KAFKA | {Reason.NO_BROKERS},
    limit="request_ms",
    asks="a Metadata request",
    facts=(MetadataFacts,),
)
