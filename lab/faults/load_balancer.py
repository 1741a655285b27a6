"""Faults of listeners and targets."""

from __future__ import annotations

from typing import Final

from lab.faults.fault import PRIVATELINK, Fault, Layer
from probes.outcome import Reason, Stage
from topology.edit import with_changes
from topology.models import Topology


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


FAULTS: Final = (
    Fault(
        name="listener-missing",
        title="The NLB has no listener for broker 2.",
        layer=Layer.LOAD_BALANCER,
        patterns=PRIVATELINK,
        edit=_listener_missing,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET),
        brokers=(2,),
    ),
    Fault(
        name="target-of-another-broker",
        title="The target of broker 2's listener is broker 3.",
        layer=Layer.LOAD_BALANCER,
        patterns=PRIVATELINK,
        edit=_target_of_another_broker,
        stage=Stage.IDENTITY,
        reasons=(Reason.OTHER_BROKER,),
        brokers=(2,),
    ),
)
