"""Faults of the client's own host: a line of its hosts file, a NAT rule that takes its connections."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import EVERY, MULTI, STRAIGHT, Fault, FaultLayer, afflicted
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_disturbances
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import HostsLine, TakenConnections, Topology

_ELSEWHERE: Final = IPv4Address("10.9.9.9")


def _hosts_line(topology: Topology) -> Topology:
    client = afflicted(topology)
    name = expect(topology, client.name).brokers[1].name
    line = HostsLine(client=client.name, name=name, address=_ELSEWHERE)
    return with_disturbances(topology, line)


def _taken(topology: Topology) -> Topology:
    """All connections to the brokers' ports end at broker 1."""
    client = afflicted(topology)
    brokers = expect(topology, client.name).brokers
    ports = sorted(broker.port for broker in brokers)
    first = next(a for a in brokers[0].addresses if a.must_connect)
    taken = TakenConnections(
        client=client.name,
        first_port=ports[0],
        last_port=ports[-1],
        to_address=IPv4Address(first.address),
        to_port=brokers[0].port,
    )
    return with_disturbances(topology, taken)


FAULTS: Final = (
    Fault(
        name="hosts-line",
        title="A line of /etc/hosts on the client's host holds another address for broker 2.",
        layer=FaultLayer.HOST,
        patterns=EVERY,
        edit=_hosts_line,
        cause=Code.HOST_HOSTS_ENTRY,
        stage=Stage.RESOLVE,
        reasons=(Reason.OS_ANSWER_DIFFERS,),
        brokers=(2,),
        spreads=True,
    ),
    Fault(
        name="connections-taken-on-the-host",
        title="A NAT rule on the client's host sends all connections to the brokers' ports to broker 1.",
        layer=FaultLayer.HOST,
        patterns=(*STRAIGHT, *MULTI),
        edit=_taken,
        cause=Code.HOST_INTERCEPTED,
        stage=Stage.IDENTITY,
        reasons=(Reason.OTHER_BROKER,),
        brokers=(2, 3),
        source="istio/istio#24937",
    ),
)
