"""What is declared of a stage, once: the shape of :mod:`brokerproof.probes.outcome.specs`. Plain types only."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.stages import Reason, Stage


class StageFacts(Value, frozen=True):
    """What a stage observed. Each subclass has a tag of its own, by which it is told apart in JSON."""


class Per(StrEnum):
    """What one outcome of a stage, or one check, is about."""

    NAME = "name"
    ADDRESS = "address"
    BROKER = "broker"
    """The broker as the leader of a partition."""
    CLUSTER = "cluster"


class StageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of a stage before it is run."""

    stage: Stage
    after: tuple[Stage, ...]
    """The stages it comes right after: its place in the order."""
    needs: tuple[Stage, ...] | None = None
    """The stages without which it is not run, where these are not the ones it comes after: None is those.

    A failure of those, and of what they need, explains why this stage was not run.
    """
    may_follow: frozenset[Stage] = frozenset()
    """Stages that it does not need, and whose failure at a broker may fail it there as well."""
    per: Per
    """What one outcome is about."""
    judged_per: Per | None = None
    """What one check is about, where that is not what an outcome is about."""
    title: str
    """What a check says must hold. Placeholders: ``{name}``, ``{port}`` and ``{broker_id}`` of a broker; of an address
    also ``{address}``, ``{owner}`` and ``{zone_id}``; of a name ``{addresses}``, those it must resolve to."""
    reasons: frozenset[Reason]
    """The closed list of reasons that a ``failed`` outcome may carry."""
    facts: tuple[type[StageFacts], ...]
    """The types of what it observes."""
    limit: str = ""
    """The field of a plan's ``Limits`` that bounds one attempt; empty where none does alone."""
    asks: str = ""
    """What it sends on a connection whose first request was answered, for a sentence; empty where that is not all."""
    tls_only: bool = False
    """It is left out where the listener is plaintext."""
    logged_in_only: bool = False
    """It is left out where the client does not say who it is."""
    names_a_broker: bool = False
    """It shows which broker answers, so there is nothing to judge where any broker may."""
    brokers_only: bool = False
    """It is run at the addresses of planned brokers alone, on a connection of its own that nothing else waits for."""
    measurement: bool = False
    """It is run where the plan asks for it, and is no part of a verification."""

    @property
    def judged(self) -> Per:
        """What one check is about."""
        return self.judged_per or self.per

    def applies(self, *, tls: bool, logs_in: bool) -> bool:
        """Whether it is run at a listener with or without TLS, by a client that says who it is or does not."""
        return (tls or not self.tls_only) and (logs_in or not self.logged_in_only)

    @property
    def moves_records(self) -> bool:
        """Whether records go through the cluster, so that any broker may be what they fail on."""
        return self.per in {Per.BROKER, Per.CLUSTER}
