"""What is under probe, and what is known of it: names and ports, and the addresses at which a broker was proved."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import msgspec

from brokerproof.probes.outcome import AdvertisedBroker, MetadataFacts, Outcome, Role, Target, WaitedFor
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import ORDER
from brokerproof.probes.stages.resolve import Addresses
from brokerproof.probes.wire.kafka_connection import KafkaConnection


class Verified(msgspec.Struct):
    """An address at which the certificate is right and the broker has said who it is."""

    endpoint: ProbedEndpoint
    address: str
    connection: KafkaConnection
    metadata: MetadataFacts
    answered_by: int

    @property
    def is_used(self) -> bool:
        """Whether its connection is the one that later requests to this broker go by."""
        return self.endpoint.verified.get(self.answered_by) is self


class ProbedEndpoint(msgspec.Struct, eq=False):
    """A name and port under probe."""

    role: Role
    name: str
    port: int
    broker_id: int | None
    addresses: Addresses = ("",)
    """The one empty address stands for those not known."""
    roots: list[Outcome] = msgspec.field(default_factory=list)
    """What went wrong first, of each address where something did."""
    verified: dict[int, Verified] = msgspec.field(default_factory=dict)
    """By the broker that answered."""
    settled: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    """Set once one address is verified, or all of them are done."""
    done: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def target(self, address: str) -> Target:
        """The target of one of this endpoint's addresses."""
        return Target(role=self.role, name=self.name, address=address, port=self.port, broker_id=self.broker_id)

    @property
    def login_key(self) -> Hashable:
        """The broker whose authentications one here is counted with."""
        return key_of(self.name, self.port) if self.broker_id is None else self.broker_id

    @property
    def root(self) -> WaitedFor | None:
        """What to name where this endpoint is not ok: the failure of the address that got furthest.

        Other addresses may be meant not to work at all; the one that came furthest was meant to.
        """
        if not self.roots:
            return None
        furthest = max(self.roots, key=lambda outcome: ORDER[outcome.stage])
        return WaitedFor(stage=furthest.stage, target=furthest.target)


def key_of(name: str, port: int) -> tuple[str, int]:
    """What makes two endpoints the same: names compare without case and final dot (RFC 4343)."""
    return canonical(name), port


def key_of_broker(broker: AdvertisedBroker) -> tuple[str, int, int]:
    """What makes two advertised brokers the same."""
    return *key_of(broker.name, broker.port), broker.broker_id
