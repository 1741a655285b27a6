"""Faults of brokers themselves."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import EVERY, SINGLE, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_broker
from brokerproof.topology.models import BrokerState, Topology


def _stopped(topology: Topology) -> Topology:
    return with_broker(topology, 2, state=BrokerState.STOPPED)


def _two_stopped(topology: Topology) -> Topology:
    """Two of three controllers, so nothing can be changed on the one that is left."""
    return with_broker(_stopped(topology), 3, state=BrokerState.STOPPED)


def _advertised_unchanged(topology: Topology) -> Topology:
    for broker in topology.clusters[0].brokers:
        topology = with_broker(topology, broker.broker_id, advertised_listeners=())
    return topology


FAULTS: Final = (
    Fault(
        name="broker-stopped",
        title="Broker 2 does not run.",
        layer=FaultLayer.BROKER,
        patterns=EVERY,
        edit=_stopped,
        stage=Stage.CONNECT,
        reasons=(Reason.REFUSED,),
        brokers=(2,),
        codes=joined(Code.CLUSTER_BROKER_DOWN, likeness.ONE_BROKER_BEHIND),
    ),
    Fault(
        name="two-brokers-stopped",
        title="Brokers 2 and 3 do not run; without a majority of controllers no topic can be made on broker 1 either.",
        layer=FaultLayer.BROKER,
        patterns=EVERY,
        edit=_two_stopped,
        stage=Stage.CONNECT,
        reasons=(Reason.REFUSED,),
        brokers=(2, 3),
        spreads=True,
        codes=joined(Code.CLUSTER_BROKER_DOWN, likeness.ONE_BROKER_BEHIND),
    ),
    Fault(
        name="advertised-listeners-unchanged",
        title="Behind one NLB, brokers still advertise port 9094.",
        layer=FaultLayer.BROKER,
        patterns=SINGLE,
        edit=_advertised_unchanged,
        stage=Stage.METADATA,
        reasons=(None,),
        codes=(Code.METADATA_ADVERTISED_UNCHANGED,),
    ),
)
