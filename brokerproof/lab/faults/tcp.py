"""Faults of TCP and of what carries it: loss, a smaller MTU, devices on the way, a broker that stands still."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import EVERY, Fault, FaultLayer, afflicted
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_lab
from brokerproof.topology.models import Direction, FrozenBroker, LostPackets, Silence, Topology

_SMALL_MTU: Final = 1300
"""Far below a certificate chain, and above everything else that a handshake sends."""


def _at_client(topology: Topology, **lost: Any) -> Topology:
    client = afflicted(topology)
    return with_lab(
        topology,
        disturbances=(LostPackets(vpc_id=client.vpc_id, private_ip_address=client.private_ip_address, **lost),),
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
    return with_lab(topology, disturbances=(FrozenBroker(cluster_name=cluster.cluster_name, broker_id=2),))


def _fault(
    name: str,
    title: str,
    edit: Callable[[Topology], Topology],
    *codes: Code,
    stage: Stage = Stage.HANDSHAKE,
    reasons: tuple[Reason | None, ...] = (Reason.TIMED_OUT,),
    brokers: tuple[int, ...] = (1, 2, 3),
    by_chance: bool = False,
    spreads: bool = False,
) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=FaultLayer.TCP,
        patterns=EVERY,
        edit=edit,
        stage=stage,
        reasons=reasons,
        brokers=brokers,
        by_chance=by_chance,
        spreads=spreads,
        codes=codes,
    )


FAULTS: Final = (
    _fault(
        "syn-loss",
        "Every fifth packet with which the client opens a connection is lost.",
        _syn_lost,
        *joined(Code.TCP_PACKET_LOSS, likeness.LOSSY),
        stage=Stage.CONNECT,
        by_chance=True,
        spreads=True,
    ),
    _fault(
        "path-mtu-to-client",
        "Packets of more than 1,300 bytes do not reach the client, and nobody is told.",
        partial(_mtu, Direction.TO),
        *joined(Code.TCP_PATH_MTU, sets.SAYS_NOTHING),
    ),
    _fault(
        "path-mtu-from-client",
        "Packets of more than 1,300 bytes from the client do not arrive, and nobody is told.",
        partial(_mtu, Direction.FROM),
        Code.TCP_PATH_MTU,
        stage=Stage.PATH_SIZE,
    ),
    _fault(
        "tls-reset-on-the-way",
        "A device on the way resets connections that begin to speak TLS; no AWS resource does that.",
        _reset,
        Code.UNKNOWN,
        reasons=(Reason.RESET,),
    ),
    _fault(
        "broker-frozen",
        "Broker 2's process stands still: its host accepts connections, and nothing is ever said.",
        _frozen,
        *joined(Code.CLUSTER_BROKER_UNRESPONSIVE, sets.SAYS_NOTHING),
        brokers=(2,),
    ),
)
