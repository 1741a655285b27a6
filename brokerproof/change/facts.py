"""What a client saw of a path, as facts that can be compared with another time's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from brokerproof.diagnosis.outcome_index import first_look
from brokerproof.probes.outcome import (
    AuthenticateFacts,
    GroupFacts,
    HandshakeFacts,
    IdentityFacts,
    MetadataFacts,
    Outcome,
    ResolveFacts,
    Role,
    Status,
)
from brokerproof.probes.outcome.base import Value
from brokerproof.topology.expectation.view import ClientView


class FactKind(StrEnum):
    """What is compared."""

    ADDRESSES = "addresses"
    """What a broker's name resolves to."""
    ENDPOINTS = "endpoints"
    """The AWS resources that those addresses belong to, by the topology."""
    BROKERS = "brokers"
    """Which broker answers at each address."""
    CERTIFICATES = "certificates"
    TLS_VERSION = "tls_version"
    ADVERTISED = "advertised"
    """The name and port that the cluster advertises of each broker."""
    SOURCE = "source"
    """The address that the far end sees this client at: the path."""
    PRINCIPAL = "principal"
    """Who the client is to the cluster, where it logs in."""
    CLUSTER_ID = "cluster_id"
    BROKER_SET = "broker_set"


class Fact(Value, frozen=True, kw_only=True, order=True):
    """One fact of one client. ``values`` are sorted; empty is not known."""

    client: str
    kind: FactKind
    subject: str
    """``broker-N``, with an address where it is of one; ``cluster``."""
    values: tuple[str, ...]

    @property
    def key(self) -> tuple[str, FactKind, str]:
        """By what it is found at another time."""
        return self.client, self.kind, self.subject


def facts_of(view: ClientView, outcomes: Sequence[Outcome]) -> tuple[Fact, ...]:
    """Every fact that one client's run shows; those of what it did not see are empty."""
    found: dict[tuple[FactKind, str], set[str]] = {}
    for kind, subject, values in _seen(view, tuple(first_look(outcomes))):
        found.setdefault((kind, subject), set()).update(values)
    for broker in view.brokers:
        for kind in (FactKind.ADDRESSES, FactKind.ENDPOINTS, FactKind.ADVERTISED):
            found.setdefault((kind, f"broker-{broker.broker_id}"), set())
    for kind in (FactKind.CLUSTER_ID, FactKind.BROKER_SET):
        found.setdefault((kind, "cluster"), set())
    return tuple(
        Fact(client=view.client, kind=kind, subject=subject, values=tuple(sorted(values)))
        for (kind, subject), values in sorted(found.items())
    )


def _seen(view: ClientView, outcomes: Sequence[Outcome]) -> Iterator[tuple[FactKind, str, Iterable[str]]]:
    names = {broker.name.lower(): f"broker-{broker.broker_id}" for broker in view.brokers}
    owners = {address.address: address.owner for broker in view.brokers for address in broker.addresses}
    for outcome in outcomes:
        target, facts = outcome.target, outcome.facts
        if target.role is Role.BROKER and isinstance(facts, ResolveFacts) and outcome.status is Status.OK:
            subject = names.get(target.name.lower(), target.name)
            addresses = (*facts.a, *facts.aaaa)
            yield FactKind.ADDRESSES, subject, addresses
            yield FactKind.ENDPOINTS, subject, (owners.get(each, "none that the topology knows") for each in addresses)
        elif isinstance(facts, AuthenticateFacts) and facts.principal and outcome.status is Status.OK:
            yield FactKind.PRINCIPAL, "cluster", (facts.principal,)
        elif target.role is Role.BROKER:
            yield from _of_broker(f"broker-{target.broker_id}", outcome)
        elif isinstance(facts, GroupFacts) and facts.client_host:
            yield FactKind.SOURCE, "cluster", (_place(view, facts.client_host),)


def _of_broker(subject: str, outcome: Outcome) -> Iterator[tuple[FactKind, str, Iterable[str]]]:
    match outcome.facts:
        case HandshakeFacts() as facts if facts.sha256:
            yield FactKind.CERTIFICATES, subject, (f"sha256 {facts.sha256}, until {facts.not_after}",)
            yield FactKind.TLS_VERSION, subject, (facts.tls_version,)
        case IdentityFacts() as facts if facts.answered_by is not None:
            yield FactKind.BROKERS, f"{subject} at {outcome.target.address}", (f"broker {facts.answered_by}",)
        case MetadataFacts() as facts if facts.brokers:
            for each in facts.brokers:
                yield FactKind.ADVERTISED, f"broker-{each.broker_id}", (f"{each.name}:{each.port}",)
            yield FactKind.BROKER_SET, "cluster", (str(each.broker_id) for each in facts.brokers)
            if facts.cluster_id:
                yield FactKind.CLUSTER_ID, "cluster", (facts.cluster_id,)
        case _:
            return


def _place(view: ClientView, address: str) -> str:
    """The source as its pattern has it: connections come from now one, now another of a load balancer's nodes."""
    for broker in view.brokers:
        if address in broker.sources:
            return "one of " + ", ".join(sorted({each for one in view.brokers for each in one.sources}))
    return address
