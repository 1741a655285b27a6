"""``identity``: the broker itself says which one it is."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import KAFKA, Reason, Stage


class IdentityFacts(StageFacts, frozen=True, tag="identity"):
    """Which broker answered: proved by DescribeConfigs for ``BROKER:<id>``.

    Only that broker answers for its own id; any other says ``Unexpected broker id, expected X``.
    """

    answered_by: int | None = None
    error_code: int = 0
    error_message: str = ""
    advertised_listeners: str = ""
    """``advertised.listeners`` of the answering broker, empty where not allowed to read it."""
    replica_selector: str = ""
    """``replica.selector.class``: by what a broker tells a consumer to read from a replica near it (KIP-392)."""
    connections_max_idle_ms: int | None = None
    """After which silence the broker ends a connection; None where it does not say."""
    without_keys: bool = False
    """Asked in the second form, without keys, on a connection of its own: on the first the peer ended the other."""
    unsupported: bool = False
    """The peer does not say who it is: it ends its connection on either form, after it answered ApiVersions on it, or
    answers for a broker that nobody is."""


SPEC: Final = StageSpec(
    stage=Stage.IDENTITY,
    after=(Stage.METADATA,),
    per=Per.ADDRESS,
    names_a_broker=True,
    title="{name} at {address}:{port} is broker {broker_id}",
    reasons=KAFKA | {Reason.OTHER_BROKER},
    limit="request_ms",
    asks="a DescribeConfigs request",
    facts=(IdentityFacts,),
)
