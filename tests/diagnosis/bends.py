"""What the tests of the diagnosis bend runs with, and what they compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.finding import ClientEvidence, Diagnosis
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    ConnectFacts,
    Facts,
    HandshakeFacts,
    HostFacts,
    MetadataFacts,
    Outcome,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
    Target,
    TcpInfo,
)
from brokerproof.probes.plan import VERIFY_STAGES
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


def unlisted(broker_id: int) -> Bend:
    """Metadata that leaves a broker out, as the others' does where it does not run."""

    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        left = tuple(b for b in o.facts.brokers if b.broker_id != broker_id)
        return outcome(o.stage, o.target, facts=MetadataFacts(cluster_id="c", controller_id=1, brokers=left))

    return Bend(at(Stage.METADATA), change)


SOA = "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com."
NO_NAME = resolver(Reason.NXDOMAIN, soa=SOA)


# The client's own host, and what nobody has


def told(reason: Reason, **more: object) -> Callable[[Outcome], Outcome]:
    """The right answer of the VPC's own resolver, and what is the matter with it."""

    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, ResolveFacts)
        facts = msgspec.structs.replace(o.facts, resolver="10.1.0.2", **more)
        return msgspec.structs.replace(o, status=Status.FAILED, reason=reason, facts=facts)

    return change


def nobodys_name(name: str, *addresses: str) -> Outcome:
    facts = ResolveFacts(resolver="10.1.0.2", rcode="NOERROR" if addresses else "NXDOMAIN", a=addresses)
    return _control(Stage.RESOLVE, Target(role=Role.CONTROL, name=name), None if addresses else Reason.NXDOMAIN, facts)


def nobodys_address(port: int, reason: Reason | None, *addresses: str) -> tuple[Outcome, ...]:
    return tuple(
        _control(Stage.CONNECT, Target(role=Role.CONTROL, address=address, port=port), reason) for address in addresses
    )


def _control(stage: Stage, target: Target, reason: Reason | None, facts: Facts | None = None) -> Outcome:
    return outcome(stage, target, Status.FAILED if reason else Status.OK, reason, facts)


def on_host(
    clients: Sequence[ClientEvidence], client: str, host: HostFacts | None, controls: Sequence[Outcome] = ()
) -> list[ClientEvidence]:
    """The same runs, where this client's host is set so, and this is what it met of what nobody has."""
    found = []
    for one_client in clients:
        if one_client.view.client != client:
            found.append(one_client)
            continue
        outcomes = (*one_client.outcomes, *controls)
        checks = judge(one_client.view, RunOutcomes(outcomes), VERIFY_STAGES)
        found.append(msgspec.structs.replace(one_client, host=host, outcomes=outcomes, checks=checks))
    return found


WAITED_MS: Final = 3500
"""How long the probe waited for what did not come in time."""


def late(stage: Stage, elsewhere_ms: int | None) -> tuple[Bend, Bend]:
    """Broker 2 does not answer in time at one address, and at its others after so long; None: nowhere in time."""
    here = in_zone("use1-az1")

    def too_late(o: Outcome) -> Outcome:
        return msgspec.structs.replace(
            o, duration_ns=WAITED_MS * 1_000_000, status=Status.FAILED, reason=Reason.TIMED_OUT
        )

    def elsewhere(o: Outcome) -> Outcome:
        return too_late(o) if elsewhere_ms is None else msgspec.structs.replace(o, duration_ns=elsewhere_ms * 1_000_000)

    return (
        Bend(at(stage, brokers=[2], where=here), too_late),
        Bend(at(stage, brokers=[2], where=lambda view, o: not here(view, o)), elsewhere),
    )
