"""The outcomes of a run on which everything is as the view says, to be bent by tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from brokerproof.probes.outcome import (
    AdvertisedBroker,
    Facts,
    GroupFacts,
    IdentityFacts,
    IdleFacts,
    MetadataFacts,
    Outcome,
    PathSizeFacts,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
    Target,
    WaitedFor,
)
from brokerproof.probes.outcome.registry import SPECS, run_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.topology.expectation.view import AddressView, BootstrapView, BrokerView, ClientView


def outcome(
    stage: Stage, target: Target, status: Status = Status.OK, reason: Reason | None = None, facts: Facts | None = None
) -> Outcome:
    return Outcome(
        stage=stage, target=target, status=status, reason=reason, facts=facts, started_ns=0, duration_ns=1_000_000
    )


def perfect(view: ClientView) -> tuple[Outcome, ...]:
    """Everything the probes would say on a healthy path."""
    return tuple(_all(view))


def _all(view: ClientView) -> Iterator[Outcome]:
    metadata = MetadataFacts(
        cluster_id="c",
        controller_id=1,
        brokers=tuple(AdvertisedBroker(broker_id=b.broker_id, name=b.name, port=b.port) for b in view.brokers),
    )
    for broker in view.brokers:
        addresses = tuple(a.address for a in broker.addresses)
        yield outcome(
            Stage.RESOLVE,
            Target(role=Role.BROKER, name=broker.name),
            facts=ResolveFacts(resolver="10.1.0.2", rcode="NOERROR", a=addresses, os_addresses=addresses),
        )
        yield from _connections(view, broker, Role.BROKER, metadata)
        for stage in (*run_per(Per.BROKER), Stage.LATENCY):
            yield outcome(
                stage, Target(role=Role.BROKER, name=broker.name, port=broker.port, broker_id=broker.broker_id)
            )
    brokers = {(b.name, b.port) for b in view.brokers}
    for entry in view.bootstrap:
        if (entry.name, entry.port) not in brokers:
            yield from _connections(view, entry, Role.BOOTSTRAP, metadata)
    for stage in run_per(Per.CLUSTER):
        if view.brokers:
            first = view.brokers[0]
            joined = GroupFacts(group="g", coordinator_id=first.broker_id, client_host="".join(first.sources[:1]))
            yield outcome(stage, Target(role=Role.CLUSTER), facts=joined if stage is Stage.GROUP else None)
    for name in view.other_names:
        found = ResolveFacts(resolver="10.1.0.2", rcode="NOERROR", a=("203.0.113.80",), os_addresses=("203.0.113.80",))
        yield outcome(Stage.RESOLVE, Target(role=Role.OTHER, name=name), facts=found)
    for forbidden in view.forbidden:
        target = Target(role=Role.FORBIDDEN, address=forbidden.address, port=forbidden.port)
        yield outcome(Stage.CONNECT, target, Status.FAILED, forbidden.fails_with[0])


def _connections(
    view: ClientView, endpoint: BrokerView | BootstrapView, role: Role, metadata: MetadataFacts
) -> Iterator[Outcome]:
    for address in endpoint.addresses:
        target = Target(
            role=role, name=endpoint.name, address=address.address, port=endpoint.port, broker_id=endpoint.broker_id
        )
        if not address.must_connect:
            yield from _dead(target, address)
            continue
        facts: dict[Stage, Facts] = {
            Stage.METADATA: metadata,
            Stage.IDENTITY: IdentityFacts(answered_by=endpoint.broker_id),
            Stage.PATH_SIZE: PathSizeFacts(to_broker_passed_bytes=1500),
            Stage.IDLE: IdleFacts(silent_ms=360_000, asked=True),
        }
        for stage in run_per(Per.ADDRESS):
            spec = SPECS[stage]
            if spec.applies(tls=view.tls, logs_in=view.logs_in) and (role is Role.BROKER or not spec.brokers_only):
                yield outcome(stage, target, facts=facts.get(stage))


def _dead(target: Target, address: AddressView) -> Iterator[Outcome]:
    yield outcome(Stage.CONNECT, target, Status.FAILED, address.fails_with[0])
    for stage in run_per(Per.ADDRESS)[1:]:
        yield skipped(outcome(stage, target), Stage.CONNECT, target)


def skipped(original: Outcome, stage: Stage, waited_for: Target) -> Outcome:
    """The same stage, not run because of another."""
    return msgspec.structs.replace(
        original,
        status=Status.SKIPPED,
        reason=Reason.WAITS_FOR,
        facts=None,
        waited_for=WaitedFor(stage=stage, target=waited_for),
    )


def bend(
    outcomes: tuple[Outcome, ...], match: Callable[[Outcome], bool], change: Callable[[Outcome], Outcome | None]
) -> tuple[Outcome, ...]:
    """Change (or, with None, drop) the outcomes that match; at least one must."""
    assert any(match(o) for o in outcomes), "the case matches nothing"
    bent = (change(o) if match(o) else o for o in outcomes)
    return tuple(o for o in bent if o is not None)
