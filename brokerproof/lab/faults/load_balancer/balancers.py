"""Faults of Network Load Balancers: listeners, target groups and targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import CROSS_REGION, MULTI, ONE_NLB, PRIVATELINK, SINGLE, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changed, with_disturbances, with_each
from brokerproof.topology.models import (
    IpPermission,
    Listener,
    LoadBalancer,
    Speaks,
    Stranger,
    TakenPorts,
    TargetDescription,
    TargetGroup,
    Topology,
)
from brokerproof.topology.patterns.options import BROKER_GROUP

_NOT_SERVED: Final = (Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET)

_NOT_TLS: Final = (Reason.CLOSED, Reason.RESET, Reason.NOT_TLS, Reason.TIMED_OUT)

_PLAINTEXT_PORT: Final = 9093
"""A port of the brokers' own, where they speak without TLS among themselves."""
_STRANGERS_PORT: Final = 9443
"""Where something listens on a broker's host that is not the broker."""


def _group(use: str) -> Callable[[TargetGroup], bool]:
    return lambda group: group.target_group_name.endswith(f"-{use}")


def _targets(targets: tuple[TargetDescription, ...], topology: Topology) -> Topology:
    """The target group of broker 2's listener, with other targets."""
    return with_changed(topology, "target_groups", _group("b2"), targets=targets)


def _port(port: int, topology: Topology) -> Topology:
    return with_changed(topology, "target_groups", _group("b2"), port=port)


def _plaintext_port(topology: Topology) -> Topology:
    return _port(_PLAINTEXT_PORT, _open(_PLAINTEXT_PORT, topology))


def _stranger(speaks: Speaks, topology: Topology) -> Topology:
    """Broker 2's listener leads to what listens on its host beside it."""
    group = next(group for group in topology.target_groups if _group("b2")(group))
    cluster = topology.clusters[0]
    stranger = Stranger(
        cluster_name=cluster.cluster_name,
        broker_id=2,
        port=_STRANGERS_PORT,
        speaks=speaks,
        broker_port=group.port,
    )
    led = _port(_STRANGERS_PORT, _open(_STRANGERS_PORT, topology))
    return with_disturbances(led, stranger)


def _open(port: int, topology: Topology) -> Topology:
    """The brokers admit the NLB's nodes at that port too."""
    rules = tuple(
        IpPermission(from_port=port, to_port=port, cidr_ipv4=block)
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

    return with_changed(_open(_PLAINTEXT_PORT, topology), "target_groups", _group("bootstrap"), targets=one_wrong)


def _no_bootstrap_listener(topology: Topology) -> Topology:
    return with_changed(topology, "load_balancers", lambda _: True, listeners=lambda b: b.listeners[:-1])


def _proxy_protocol(topology: Topology) -> Topology:
    """Kafka takes the header for the beginning of a TLS record."""
    return with_each(topology, "target_groups", proxy_protocol_v2_enabled=True)


def _cross_zone_off(topology: Topology) -> Topology:
    return with_each(topology, "load_balancers", cross_zone_enabled=False)


def _ports_taken(topology: Topology) -> Topology:
    taken = tuple(TakenPorts(load_balancer_name=b.load_balancer_name) for b in topology.load_balancers)
    return with_disturbances(topology, *taken)


_fault = partial(Fault, layer=FaultLayer.LOAD_BALANCER, stage=Stage.CONNECT, patterns=PRIVATELINK, reasons=_NOT_SERVED)

FAULTS: Final = (
    _fault(
        "listener-missing",
        "The NLB has no listener for broker 2.",
        _listener_missing,
        Code.NLB_LISTENER_MISSING,
        brokers=(2,),
        alike={
            ONE_NLB: (
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            MULTI: (
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
            ),
            CROSS_REGION: (
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_ENDPOINT_PORT_RANGE,
            ),
        },
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
        "target-deregistered",
        "The target group of broker 2's listener has no target.",
        partial(_targets, ()),
        Code.NLB_NO_TARGET,
        brokers=(2,),
        alike={
            ONE_NLB: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            MULTI: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
            ),
            CROSS_REGION: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_ENDPOINT_PORT_RANGE,
            ),
        },
    ),
    _fault(
        "target-stale",
        "The target of broker 2's listener is an address that no broker has any more.",
        partial(_targets, (TargetDescription(id=IPv4Address("10.0.16.250")),)),
        Code.NLB_STALE_TARGET,
        brokers=(2,),
        alike={
            ONE_NLB: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            MULTI: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
            ),
            CROSS_REGION: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_ENDPOINT_PORT_RANGE,
            ),
        },
    ),
    _fault(
        "target-port-closed",
        "The target of broker 2's listener is registered at port 9096, where nothing listens.",
        partial(_port, 9096),
        Code.NLB_WRONG_TARGET_PORT,
        brokers=(2,),
        alike={
            ONE_NLB: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            MULTI: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
            ),
            CROSS_REGION: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_ENDPOINT_PORT_RANGE,
            ),
        },
    ),
    _fault(
        "target-port-plaintext",
        "The target of broker 2's listener is registered at a port where the broker does not speak TLS.",
        _plaintext_port,
        Code.NLB_WRONG_TARGET_PORT,
        stage=Stage.HANDSHAKE,
        reasons=_NOT_TLS,
        brokers=(2,),
        alike={
            SINGLE: (Code.NLB_PROXY_PROTOCOL, Code.TLS_PLAINTEXT_LISTENER),
            MULTI: (Code.NLB_PROXY_PROTOCOL,),
        },
    ),
    _fault(
        "target-web-server",
        "The target of broker 2's listener is a web server's port.",
        partial(_stranger, Speaks.HTTP),
        Code.TCP_NOT_KAFKA,
        stage=Stage.HANDSHAKE,
        reasons=(Reason.NOT_TLS,),
        brokers=(2,),
    ),
    _fault(
        "target-inspects-tls",
        "Before broker 2 a proxy ends TLS, with a certificate of the right name that clients trust.",
        partial(_stranger, Speaks.TLS_OF_ITS_OWN),
        Code.TLS_INSPECTED,
        stage=Stage.HANDSHAKE,
        reasons=(None,),
        brokers=(2,),
        spreads=True,
        alike=(Code.TLS_CERTIFICATE_RENEWED, Code.NLB_TLS_LISTENER),
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
        Code.NLB_WRONG_TARGET_PORT,
        patterns=ONE_NLB,
        stage=Stage.HANDSHAKE,
        reasons=_NOT_TLS,
        brokers=(),
        alike=(Code.NLB_BOOTSTRAP_TARGET_DEAD,),
    ),
    _fault(
        "bootstrap-listener-missing",
        "The NLB has no bootstrap listener.",
        _no_bootstrap_listener,
        Code.NLB_LISTENER_MISSING,
        patterns=SINGLE,
        brokers=(),
        alike={
            ONE_NLB: (
                Code.NLB_NO_TARGET,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            CROSS_REGION: (
                Code.NLB_NO_TARGET,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_ENDPOINT_PORT_RANGE,
            ),
        },
    ),
    _fault(
        "cross-zone-off",
        "Cross-zone load balancing is off, and each broker is in one zone.",
        _cross_zone_off,
        Code.NLB_CROSS_ZONE_OFF,
        # An ACL that lacks the answers' ports parts zones in the same silence (MaterializeInc/materialize pull 37016).
        alike=(Code.SECURITY_NETWORK_ACL,),
    ),
    _fault(
        "proxy-protocol-on",
        "The target groups have PROXY protocol on, which brokers do not speak.",
        _proxy_protocol,
        Code.NLB_PROXY_PROTOCOL,
        accepts_itself=True,
        stage=Stage.HANDSHAKE,
        reasons=(*_NOT_TLS, Reason.ALERT),
        alike={
            SINGLE: (Code.TLS_LISTENER_FAILING, Code.TLS_INSPECTED),
            MULTI: (),
        },
    ),
    _fault(
        "nlb-ports-exhausted",
        "The NLBs have no port left to connect to their targets from.",
        _ports_taken,
        Code.NLB_PORTS_EXHAUSTED,
        reasons=(Reason.TIMED_OUT,),
        alike={
            ONE_NLB: (
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
            (*MULTI, *CROSS_REGION): (
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
)
