"""Faults of security groups."""

from __future__ import annotations

from typing import Final

from lab.faults.fault import EVERY, PRIVATELINK, Fault, Layer
from probes.outcome import Reason, Stage
from topology.edit import with_changes
from topology.models import Topology


def _brokers_closed(topology: Topology) -> Topology:
    """The brokers keep admitting each other, so the cluster itself stays whole."""
    for index, group in enumerate(topology.security_groups):
        if group.group_id == "sg-brokers":
            own = tuple(r for r in group.ingress if r.referenced_group_id is not None)
            topology = with_changes(topology, "security_groups", index, ingress=own)
    return topology


def _endpoints_closed(topology: Topology) -> Topology:
    for index, group in enumerate(topology.security_groups):
        if group.group_id.startswith("sg-endpoints"):
            topology = with_changes(topology, "security_groups", index, ingress=())
    return topology


FAULTS: Final = (
    Fault(
        name="broker-security-group-closed",
        title="The brokers' security group admits nobody but the brokers.",
        layer=Layer.SECURITY,
        patterns=EVERY,
        edit=_brokers_closed,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
    ),
    Fault(
        name="endpoint-security-group-closed",
        title="The endpoints' security group admits nobody.",
        layer=Layer.SECURITY,
        patterns=PRIVATELINK,
        edit=_endpoints_closed,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
    ),
)
