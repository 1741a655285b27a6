"""Faults of endpoints, listeners and targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import MULTI_VPC, ONE_NLB, PRIVATELINK, SINGLE, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changed, with_each, with_lab
from brokerproof.topology.models import (
    EndpointState,
    IpPermission,
    Listener,
    LoadBalancer,
    TakenPorts,
    TargetDescription,
    TargetGroup,
    Topology,
    VpcConnectionState,
)
from brokerproof.topology.patterns.options import BROKER_GROUP

_NOT_SERVED: Final = (Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET)
_NOT_TLS: Final = (Reason.CLOSED, Reason.RESET, Reason.NOT_TLS, Reason.TIMED_OUT)
_PLAINTEXT_PORT: Final = 9093
"""A port of the brokers' own, where they speak without TLS among themselves."""


def _group(use: str) -> Callable[[TargetGroup], bool]:
    return lambda group: group.target_group_name.endswith(f"-{use}")


def _state(state: EndpointState, topology: Topology) -> Topology:
    return with_each(topology, "vpc_endpoints", state=state)


def _connection_inactive(topology: Topology) -> Topology:
    """What turning the scheme off and on again on the cluster leaves behind (MSK developer guide)."""
    return with_each(topology, "vpc_connections", state=VpcConnectionState.INACTIVE)


def _zone_missing(topology: Topology) -> Topology:
    return with_changed(
        topology, "vpc_endpoints", lambda _: True, network_interfaces=lambda e: e.network_interfaces[:-1]
    )


def _targets(targets: tuple[TargetDescription, ...], topology: Topology) -> Topology:
    """The target group of broker 2's listener, with other targets."""
    return with_changed(topology, "target_groups", _group("b2"), targets=targets)


def _port(port: int, topology: Topology) -> Topology:
    return with_changed(topology, "target_groups", _group("b2"), port=port)


def _plaintext_port(topology: Topology) -> Topology:
    return _port(_PLAINTEXT_PORT, _open(topology))


def _open(topology: Topology) -> Topology:
    """The brokers admit the NLB's nodes at that port too."""
    rules = tuple(
        IpPermission(from_port=_PLAINTEXT_PORT, to_port=_PLAINTEXT_PORT, cidr_ipv4=block)
        for block in topology.vpc(topology.clusters[0].vpc_id).cidr_blocks
    )
    return with_changed(
        topology, "security_groups", lambda g: g.group_id == BROKER_GROUP, ingress=lambda g: (*g.ingress, *rules)
    )


def _listener_missing(topology: Topology) -> Topology:
    def others(balancer: LoadBalancer) -> tuple[Listener, ...]:
        return tuple(entry for entry in balancer.listeners if not entry.target_group_name.endswith("-b2"))

    return with_changed(topology, "load_balancers", lambda _: True, listeners=others)


def _target_of_another_broker(topology: Topology) -> Topology:
    third = next(group for group in topology.target_groups if _group("b3")(group))
    return _targets(third.targets, topology)


def _to_bootstrap_group(topology: Topology) -> Topology:
    """Broker 2's listener forwards to the group that every broker is in."""

    def forwarded(balancer: LoadBalancer) -> object:
        to = {"target_group_name": balancer.listeners[-1].target_group_name}
        second = [e.target_group_name.endswith("-b2") for e in balancer.listeners]
        return tuple(e.model_copy(update=to) if own else e for e, own in zip(balancer.listeners, second, strict=True))

    return with_changed(topology, "load_balancers", lambda _: True, listeners=forwarded)


def _bootstrap_target(topology: Topology) -> Topology:
    """One of its targets is registered at a port that does not speak TLS; health checks are content with it."""

    def one_wrong(group: TargetGroup) -> tuple[TargetDescription, ...]:
        first, *others = group.targets
        return first.model_copy(update={"port": _PLAINTEXT_PORT}), *others

    return with_changed(_open(topology), "target_groups", _group("bootstrap"), targets=one_wrong)


def _no_bootstrap_listener(topology: Topology) -> Topology:
    return with_changed(topology, "load_balancers", lambda _: True, listeners=lambda b: b.listeners[:-1])


def _proxy_protocol(topology: Topology) -> Topology:
    """Kafka takes the header for the beginning of a TLS record."""
    return with_each(topology, "target_groups", proxy_protocol_v2_enabled=True)


def _cross_zone_off(topology: Topology) -> Topology:
    return with_each(topology, "load_balancers", cross_zone_enabled=False)


def _ports_taken(topology: Topology) -> Topology:
    taken = tuple(TakenPorts(load_balancer_name=b.load_balancer_name) for b in topology.load_balancers)
    return with_lab(topology, disturbances=taken)


def _fault(
    name: str,
    title: str,
    edit: Callable[[Topology], Topology],
    *codes: Code,
    patterns: tuple[str, ...] = PRIVATELINK,
    stage: Stage = Stage.CONNECT,
    reasons: tuple[Reason | None, ...] = _NOT_SERVED,
    brokers: tuple[int, ...] = (1, 2, 3),
) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=FaultLayer.LOAD_BALANCER,
        patterns=patterns,
        edit=edit,
        stage=stage,
        reasons=reasons,
        brokers=brokers,
        codes=codes,
    )


FAULTS: Final = (
    _fault(
        "endpoint-rejected",
        "The provider rejected the endpoint connection.",
        partial(_state, EndpointState.REJECTED),
        *joined(Code.ENDPOINT_NOT_AVAILABLE, likeness.BEHIND),
        reasons=(Reason.TIMED_OUT,),
    ),
    _fault(
        "vpc-connection-inactive",
        "The VPC connection is INACTIVE.",
        _connection_inactive,
        *joined(Code.CONNECTION_NOT_ACTIVE, likeness.BEHIND),
        patterns=MULTI_VPC,
        reasons=(Reason.TIMED_OUT,),
    ),
    _fault(
        "listener-missing",
        "The NLB has no listener for broker 2.",
        _listener_missing,
        *joined(Code.NLB_LISTENER_MISSING, likeness.ONE_BROKER_BEHIND),
        brokers=(2,),
    ),
    _fault(
        "target-of-another-broker",
        "The target of broker 2's listener is broker 3.",
        _target_of_another_broker,
        Code.NLB_WRONG_TARGET,
        stage=Stage.IDENTITY,
        reasons=(Reason.OTHER_BROKER,),
        brokers=(2,),
    ),
    _fault(
        "endpoint-pending-acceptance",
        "The endpoint connections wait for the provider to accept them.",
        partial(_state, EndpointState.PENDING_ACCEPTANCE),
        *joined(Code.ENDPOINT_NOT_AVAILABLE, likeness.BEHIND),
        reasons=(Reason.TIMED_OUT,),
    ),
    _fault(
        "endpoint-expired",
        "The endpoint connections expired before anybody accepted them.",
        partial(_state, EndpointState.EXPIRED),
        *joined(Code.ENDPOINT_NOT_AVAILABLE, likeness.BEHIND),
        reasons=(Reason.TIMED_OUT,),
    ),
    _fault(
        "endpoint-zone-missing",
        "The endpoints have no ENI in one of the zones.",
        _zone_missing,
        Code.ENDPOINT_ZONE_MISMATCH,
        stage=Stage.RESOLVE,
        reasons=(None,),
    ),
    _fault(
        "target-deregistered",
        "The target group of broker 2's listener has no target.",
        partial(_targets, ()),
        *joined(Code.NLB_NO_TARGET, likeness.ONE_BROKER_BEHIND),
        brokers=(2,),
    ),
    _fault(
        "target-stale",
        "The target of broker 2's listener is an address that no broker has any more.",
        partial(_targets, (TargetDescription(id=IPv4Address("10.0.16.250")),)),
        *joined(Code.NLB_STALE_TARGET, likeness.ONE_BROKER_BEHIND),
        brokers=(2,),
    ),
    _fault(
        "target-port-closed",
        "The target of broker 2's listener is registered at port 9096, where nothing listens.",
        partial(_port, 9096),
        *joined(Code.NLB_WRONG_TARGET_PORT, likeness.ONE_BROKER_BEHIND),
        brokers=(2,),
    ),
    _fault(
        "target-port-plaintext",
        "The target of broker 2's listener is registered at a port where the broker does not speak TLS.",
        _plaintext_port,
        *joined(Code.NLB_WRONG_TARGET_PORT, likeness.CLOSED),
        stage=Stage.HANDSHAKE,
        reasons=_NOT_TLS,
        brokers=(2,),
    ),
    _fault(
        "listener-to-bootstrap-group",
        "Broker 2's listener forwards to the target group of all brokers.",
        _to_bootstrap_group,
        Code.NLB_WRONG_TARGET,
        patterns=SINGLE,
        stage=Stage.IDENTITY,
        reasons=(Reason.OTHER_BROKER,),
        brokers=(2,),
    ),
    _fault(
        "bootstrap-target-dead",
        "One of the bootstrap listener's targets is registered at a port that does not speak TLS.",
        _bootstrap_target,
        *joined(Code.NLB_WRONG_TARGET_PORT, likeness.CLOSED, frozenset({Code.NLB_BOOTSTRAP_TARGET_DEAD})),
        patterns=ONE_NLB,
        stage=Stage.HANDSHAKE,
        reasons=_NOT_TLS,
        brokers=(),
    ),
    _fault(
        "bootstrap-listener-missing",
        "The NLB has no bootstrap listener.",
        _no_bootstrap_listener,
        *joined(Code.NLB_LISTENER_MISSING, likeness.ONE_BROKER_BEHIND),
        patterns=SINGLE,
        brokers=(),
    ),
    _fault(
        "cross-zone-off",
        "Cross-zone load balancing is off, and each broker is in one zone.",
        _cross_zone_off,
        Code.NLB_CROSS_ZONE_OFF,
    ),
    _fault(
        "proxy-protocol-on",
        "The target groups have PROXY protocol on, which brokers do not speak.",
        _proxy_protocol,
        *joined(Code.NLB_PROXY_PROTOCOL, likeness.CLOSED),
        stage=Stage.HANDSHAKE,
        reasons=(*_NOT_TLS, Reason.ALERT),
    ),
    _fault(
        "nlb-ports-exhausted",
        "The NLBs have no port left to connect to their targets from.",
        _ports_taken,
        *joined(Code.NLB_PORTS_EXHAUSTED, likeness.BEHIND),
        reasons=(Reason.TIMED_OUT,),
    ),
)
