"""Faults of listeners and targets."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import MULTI_VPC, PRIVATELINK, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.models import EndpointState, Topology, VpcConnectionState


def _listener_missing(topology: Topology) -> Topology:
    for index, balancer in enumerate(topology.load_balancers):
        kept = tuple(entry for entry in balancer.listeners if not entry.target_group_name.endswith("-b2"))
        topology = with_changes(topology, "load_balancers", index, listeners=kept)
    return topology


def _target_of_another_broker(topology: Topology) -> Topology:
    third = next(g for g in topology.target_groups if g.target_group_name.endswith("-b3"))
    for index, group in enumerate(topology.target_groups):
        if group.target_group_name.endswith("-b2"):
            topology = with_changes(topology, "target_groups", index, targets=third.targets)
    return topology


def _endpoint_rejected(topology: Topology) -> Topology:
    return with_each(topology, "vpc_endpoints", state=EndpointState.REJECTED)


def _connection_inactive(topology: Topology) -> Topology:
    """What turning the scheme off and on again on the cluster leaves behind (MSK developer guide)."""
    return with_each(topology, "vpc_connections", state=VpcConnectionState.INACTIVE)


FAULTS: Final = (
    Fault(
        name="endpoint-rejected",
        title="The provider rejected the endpoint connection.",
        layer=FaultLayer.LOAD_BALANCER,
        patterns=PRIVATELINK,
        edit=_endpoint_rejected,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        codes=joined(Code.ENDPOINT_NOT_AVAILABLE, likeness.BEHIND),
    ),
    Fault(
        name="vpc-connection-inactive",
        title="The VPC connection is INACTIVE.",
        layer=FaultLayer.LOAD_BALANCER,
        patterns=MULTI_VPC,
        edit=_connection_inactive,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        codes=joined(Code.CONNECTION_NOT_ACTIVE, likeness.BEHIND),
    ),
    Fault(
        name="listener-missing",
        title="The NLB has no listener for broker 2.",
        layer=FaultLayer.LOAD_BALANCER,
        patterns=PRIVATELINK,
        edit=_listener_missing,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET),
        brokers=(2,),
        codes=joined(Code.NLB_LISTENER_MISSING, likeness.ONE_BROKER_BEHIND),
    ),
    Fault(
        name="target-of-another-broker",
        title="The target of broker 2's listener is broker 3.",
        layer=FaultLayer.LOAD_BALANCER,
        patterns=PRIVATELINK,
        edit=_target_of_another_broker,
        stage=Stage.IDENTITY,
        reasons=(Reason.OTHER_BROKER,),
        brokers=(2,),
        codes=(Code.NLB_WRONG_TARGET,),
    ),
)
