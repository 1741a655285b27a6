"""What the tests of the diagnosis bend runs with, and what they compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    ConnectFacts,
    HandshakeFacts,
    MetadataFacts,
    Outcome,
    Reason,
    ResolveFacts,
    Stage,
    TcpInfo,
)
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bent import Bend, Change, at, failed
from tests.diagnosis.perfect import outcome

PEERING, GATEWAY, IN_VPC = "peering", "transit_gateway", "in_vpc"
SINGLE, MULTI, MANAGED = "privatelink_single_nlb", "privatelink_multi_nlb", "multi_vpc"
EVERYONE = {"cluster_vpc", "account_b", "overlapping", "remote_by_peering", "remote_by_gateway"}
"""The clients of a PrivateLink pattern."""
OUTSIDE = EVERYONE - {"cluster_vpc"}
AT_ENDPOINT_B = OUTSIDE - {"overlapping"}
"""Those that use the endpoints of account B's VPC."""
DIRECT = {"cluster_vpc", "peered", "remote_by_peering"}
"""The clients of the pattern peering that reach the brokers."""
NEAR = {PEERING: "peered", GATEWAY: "by_gateway", SINGLE: "account_b", MULTI: "account_b"}
"""The first client outside the cluster VPC."""
SILENT: Final = failed(Reason.TIMED_OUT)
REFUSED: Final = failed(Reason.REFUSED)

Named = list[tuple[frozenset[Code], set[str], set[int]]]


def named(diagnosis: Diagnosis) -> Named:
    return [(frozenset(f.codes), set(f.clients), set(f.broker_ids)) for f in diagnosis.findings]


def one(*codes: Code) -> frozenset[Code]:
    return frozenset(codes)


def resolver(reason: Reason, **facts: object) -> Change:
    told = ResolveFacts(**{"resolver": "10.1.0.2", "rcode": "NXDOMAIN", **facts})  # type: ignore[arg-type]
    return failed(reason, told)


def handshake(reason: Reason, **facts: object) -> Change:
    return failed(reason, HandshakeFacts(**{"sni": "b", "problems": (reason,), **facts}))  # type: ignore[arg-type]


def sent_again(o: Outcome) -> Outcome:
    """A connect whose SYN was lost once."""
    facts = ConnectFacts(tcp=TcpInfo(retransmitted_segments=1))
    return msgspec.structs.replace(o, facts=facts, duration_ns=1_021_000_000)


def outside_own_zone(view: ClientView, o: Outcome) -> bool:
    broker = next((b for b in view.brokers if b.broker_id == o.target.broker_id), None)
    zones = {a.address: a.zone_id for b in view.brokers for a in b.addresses}
    return broker is not None and zones[o.target.address] != broker.zone_id


def in_zone(zone_id: str) -> Callable[[ClientView, Outcome], bool]:
    return lambda view, o: (
        {a.address: a.zone_id for b in view.brokers for a in b.addresses}[o.target.address] == zone_id
    )


def advertise(broker_id: int, name: str, port: int) -> Bend:
    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        entries = tuple(
            AdvertisedBroker(broker_id=broker_id, name=name or b.name, port=port or b.port)
            if b.broker_id == broker_id
            else b
            for b in o.facts.brokers
        )
        return outcome(o.stage, o.target, facts=MetadataFacts(cluster_id="c", controller_id=1, brokers=entries))

    return Bend(at(Stage.METADATA), change)


SOA = "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com."
NO_NAME = resolver(Reason.NXDOMAIN, soa=SOA)
