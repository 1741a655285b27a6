"""Faults of brokers themselves."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import COMBINATION, EVERY, MULTI, MULTI_VPC, SINGLE, STRAIGHT, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_broker, with_disturbances
from brokerproof.topology.models import BrokerState, CutOffBroker, Topology


def _stopped(topology: Topology) -> Topology:
    return with_broker(topology, 2, state=BrokerState.STOPPED)


def _two_stopped(topology: Topology) -> Topology:
    """Two of three controllers, so nothing can be changed on the one that is left."""
    return with_broker(_stopped(topology), 3, state=BrokerState.STOPPED)


def _cut_off(topology: Topology) -> Topology:
    cluster = topology.clusters[0]
    return with_disturbances(topology, CutOffBroker(cluster_name=cluster.cluster_name, broker_id=2))


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
        cause=Code.CLUSTER_BROKER_DOWN,
        alike={
            (*STRAIGHT, *MULTI, *MULTI_VPC, *COMBINATION): (),
            SINGLE: (Code.NLB_LISTENER_MISSING, Code.NLB_NO_TARGET, Code.NLB_WRONG_TARGET_PORT),
        },
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
        cause=Code.CLUSTER_BROKER_DOWN,
        alike={
            (*STRAIGHT, *MULTI, *MULTI_VPC, *COMBINATION): (),
            SINGLE: (Code.NLB_LISTENER_MISSING, Code.NLB_NO_TARGET, Code.NLB_WRONG_TARGET_PORT),
        },
    ),
    Fault(
        name="broker-cut-off",
        title="Broker 2 reaches no other broker and no controller, and still answers clients.",
        layer=FaultLayer.BROKER,
        patterns=EVERY,
        edit=_cut_off,
        stage=Stage.METADATA,
        reasons=(None,),
        brokers=(2,),
        spreads=True,
        cause=Code.CLUSTER_BROKER_CUT_OFF,
        # So does a broker look, for a moment, that is about to stop.
        alike=(Code.CLUSTER_BROKER_DOWN,),
        source="confluentinc/confluent-kafka-python issue 1335",
    ),
    Fault(
        name="advertised-listeners-unchanged",
        title="Behind one NLB, brokers still advertise port 9094.",
        layer=FaultLayer.BROKER,
        patterns=SINGLE,
        edit=_advertised_unchanged,
        spreads=True,
        stage=Stage.METADATA,
        reasons=(None,),
        cause=Code.METADATA_ADVERTISED_UNCHANGED,
    ),
)
