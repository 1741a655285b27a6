"""Faults of what brokers advertise. Each needs a broker's restart."""

from __future__ import annotations

from functools import partial
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import EVERY, SINGLE, Fault, FaultLayer, afflicted
from brokerproof.probes.outcome import Stage
from brokerproof.topology.edit import with_broker
from brokerproof.topology.expectation.advertised import advertised
from brokerproof.topology.models import AdvertisedListener, Topology

_NO_LISTENER: Final = 8499


def _told(topology: Topology, broker_id: int, name: str | None = None, port: int | None = None) -> Topology:
    """Broker ``broker_id`` advertises another name or port for the listener that the afflicted client uses."""
    cluster, listener = topology.clusters[0], afflicted(topology).listener
    broker = next(b for b in cluster.brokers if b.broker_id == broker_id)
    own_name, own_port = advertised(cluster, broker, listener)
    entry = AdvertisedListener(listener=listener, name=name or own_name, port=port or own_port)
    others = tuple(e for e in broker.advertised_listeners if e.listener != listener)
    return with_broker(topology, broker_id, advertised_listeners=(*others, entry))


def _one_unchanged(topology: Topology) -> Topology:
    return with_broker(topology, 2, advertised_listeners=())


def _without_listener(topology: Topology) -> Topology:
    return _told(topology, 2, port=_NO_LISTENER)


def _other_name(topology: Topology) -> Topology:
    return _told(topology, 2, name="b-2.kafka.example.com")


def _address(topology: Topology) -> Topology:
    return _told(topology, 2, name=str(topology.clusters[0].brokers[1].client_vpc_ip_address))


def _final_dot(topology: Topology) -> Topology:
    cluster = topology.clusters[0]
    name, _ = advertised(cluster, cluster.brokers[1], afflicted(topology).listener)
    return _told(topology, 2, name=f"{name}.")


def _swapped(topology: Topology) -> Topology:
    cluster, listener = topology.clusters[0], afflicted(topology).listener
    second, third = (advertised(cluster, cluster.brokers[i], listener) for i in (1, 2))
    return _told(_told(topology, 2, *third), 3, *second)


_fault = partial(Fault, layer=FaultLayer.METADATA, stage=Stage.METADATA, patterns=EVERY, reasons=(None,), brokers=(2,))

FAULTS: Final = (
    _fault(
        "advertised-one-unchanged",
        "Behind one NLB, broker 2 still advertises port 9094.",
        _one_unchanged,
        Code.METADATA_ADVERTISED_UNCHANGED,
        patterns=SINGLE,
    ),
    _fault(
        "advertised-port-without-listener",
        "Broker 2 advertises a port that the NLB has no listener for.",
        _without_listener,
        Code.METADATA_ADVERTISED_PORT,
        patterns=SINGLE,
    ),
    _fault(
        "advertised-other-name",
        "Broker 2 advertises a name of a custom domain that nobody resolves.",
        _other_name,
        Code.METADATA_ADVERTISED_NAME,
    ),
    _fault(
        "advertised-address",
        "Broker 2 advertises its address instead of a name.",
        _address,
        Code.METADATA_ADVERTISED_NAME,
    ),
    _fault(
        "advertised-final-dot",
        "Broker 2 advertises its name with a final dot, which spares hosts their search list.",
        _final_dot,
        None,
        advice="metadata.final_dot",
        source="confluentinc/librdkafka#4348",
    ),
    _fault(
        "advertised-swapped",
        "Brokers 2 and 3 advertise each other's name and port.",
        _swapped,
        Code.METADATA_ADVERTISED_SWAPPED,
        brokers=(2, 3),
    ),
)
