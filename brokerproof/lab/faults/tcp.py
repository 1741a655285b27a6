"""Faults of TCP and of what carries it: loss, a smaller MTU, devices on the way, a broker that stands still."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    COMBINATION,
    EVERY,
    GATEWAY,
    IN_VPC,
    MULTI_VPC,
    PEERING,
    PRIVATELINK,
    STRAIGHT,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_disturbances
from brokerproof.topology.models import Direction, FrozenBroker, LostPackets, Silence, Topology
from brokerproof.topology.unknown import known

_SMALL_MTU: Final = 1300
"""Far below a certificate chain, and above everything else that a handshake sends."""


def _at_client(topology: Topology, **lost: Any) -> Topology:
    client = afflicted(topology)
    return with_disturbances(
        topology, LostPackets(vpc_id=client.vpc_id, private_ip_address=known(client.private_ip_address), **lost)
    )


def _syn_lost(topology: Topology) -> Topology:
    return _at_client(topology, direction=Direction.FROM, syn_alone=True, one_in=5)


def _mtu(direction: Direction, topology: Topology) -> Topology:
    return _at_client(topology, direction=direction, larger_than_bytes=_SMALL_MTU)


def _reset(topology: Topology) -> Topology:
    """TCP connects; the first packet with a ClientHello in it is answered with RST."""
    return _at_client(topology, direction=Direction.FROM, larger_than_bytes=300, answer=Silence.RESET)


def _frozen(topology: Topology) -> Topology:
    cluster = topology.clusters[0]
    return with_disturbances(topology, FrozenBroker(cluster_name=cluster.cluster_name, broker_id=2))


_fault = partial(Fault, layer=FaultLayer.TCP, stage=Stage.HANDSHAKE, patterns=EVERY, reasons=(Reason.TIMED_OUT,))

FAULTS: Final = (
    _fault(
        "syn-loss",
        "Every fifth packet with which the client opens a connection is lost.",
        _syn_lost,
        Code.TCP_PACKET_LOSS,
        stage=Stage.CONNECT,
        by_chance=True,
        spreads=True,
        alike={
            (*STRAIGHT, *COMBINATION): (Code.TCP_CONNECTIONS_EXHAUSTED, Code.TRANSIENT_OVER),
            (*PRIVATELINK, *MULTI_VPC): (
                Code.NLB_PORTS_EXHAUSTED,
                Code.TCP_CONNECTIONS_EXHAUSTED,
                # Chance can lose the first attempts alone.
                Code.TRANSIENT_OVER,
            ),
        },
    ),
    _fault(
        "path-mtu-to-client",
        "Packets of more than 1,300 bytes do not reach the client, and nobody is told.",
        partial(_mtu, Direction.TO),
        Code.TCP_PATH_MTU,
    ),
    _fault(
        "path-mtu-from-client",
        "Packets of more than 1,300 bytes from the client do not arrive, and nobody is told.",
        partial(_mtu, Direction.FROM),
        Code.TCP_PATH_MTU,
        stage=Stage.PATH_SIZE,
        spreads=True,
    ),
    _fault(
        "tls-reset-on-the-way",
        "A device on the way resets connections that begin to speak TLS.",
        _reset,
        Code.TCP_CUT_ON_THE_WAY,
        reasons=(Reason.RESET,),
        alike=(Code.CLUSTER_CONNECTION_LIMIT,),
    ),
    _fault(
        "broker-frozen",
        "Broker 2's process stands still: its host accepts connections, and nothing is ever said.",
        _frozen,
        Code.CLUSTER_BROKER_UNRESPONSIVE,
        brokers=(2,),
        alike={IN_VPC: (Code.TCP_PATH_MTU,), (*PEERING, *GATEWAY, *PRIVATELINK, *MULTI_VPC, *COMBINATION): ()},
    ),
)
