"""Faults of interface endpoints and managed VPC connections."""

from __future__ import annotations

from functools import partial
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import CROSS_REGION, MULTI, MULTI_VPC, ONE_NLB, PRIVATELINK, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changed, with_each
from brokerproof.topology.models import (
    EndpointState,
    Topology,
    VpcConnectionState,
)


def _state(state: EndpointState, topology: Topology) -> Topology:
    return with_each(topology, "vpc_endpoints", state=state)


def _connection_inactive(topology: Topology) -> Topology:
    """What turning the scheme off and on again on the cluster leaves behind (MSK developer guide)."""
    return with_each(topology, "vpc_connections", state=VpcConnectionState.INACTIVE)


def _zone_missing(topology: Topology) -> Topology:
    return with_changed(
        topology, "vpc_endpoints", lambda _: True, network_interfaces=lambda e: e.network_interfaces[:-1]
    )


_fault = partial(
    Fault, layer=FaultLayer.LOAD_BALANCER, stage=Stage.CONNECT, patterns=PRIVATELINK, reasons=(Reason.TIMED_OUT,)
)

FAULTS: Final = (
    _fault(
        "endpoint-rejected",
        "The provider rejected the endpoint connection.",
        partial(_state, EndpointState.REJECTED),
        Code.ENDPOINT_NOT_AVAILABLE,
        alike={
            ONE_NLB: (Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_NLB_GROUP),
            (*MULTI, *CROSS_REGION): (
                Code.SECURITY_ENDPOINT_GROUP,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
    _fault(
        "vpc-connection-inactive",
        "The VPC connection is INACTIVE.",
        _connection_inactive,
        Code.CONNECTION_NOT_ACTIVE,
        patterns=MULTI_VPC,
        alike=(Code.SECURITY_BROKER_GROUP, Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_NETWORK_ACL),
    ),
    _fault(
        "endpoint-pending-acceptance",
        "The endpoint connections wait for the provider to accept them.",
        partial(_state, EndpointState.PENDING_ACCEPTANCE),
        Code.ENDPOINT_NOT_AVAILABLE,
        alike={
            ONE_NLB: (Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_NLB_GROUP),
            (*MULTI, *CROSS_REGION): (
                Code.SECURITY_ENDPOINT_GROUP,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
    _fault(
        "endpoint-expired",
        "The endpoint connections expired before anybody accepted them.",
        partial(_state, EndpointState.EXPIRED),
        Code.ENDPOINT_NOT_AVAILABLE,
        alike={
            ONE_NLB: (Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_NLB_GROUP),
            (*MULTI, *CROSS_REGION): (
                Code.SECURITY_ENDPOINT_GROUP,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
    _fault(
        "endpoint-zone-missing",
        "The endpoints have no ENI in one of the zones.",
        _zone_missing,
        Code.ENDPOINT_ZONE_MISMATCH,
        stage=Stage.RESOLVE,
        reasons=(None,),
    ),
)
