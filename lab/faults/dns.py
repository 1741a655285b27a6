"""Faults of private hosted zones."""

from __future__ import annotations

from typing import Final

from lab.faults.fault import MULTI, PRIVATELINK, Fault, Layer
from probes.outcome import Reason, Stage
from topology.edit import with_changes, with_each
from topology.models import Topology


def _zone_not_associated(topology: Topology) -> Topology:
    return with_each(topology, "hosted_zones", vpc_ids=())


def _record_missing(topology: Topology) -> Topology:
    for index, zone in enumerate(topology.hosted_zones):
        kept = tuple(r for r in zone.record_sets if not r.name.startswith("b-2."))
        topology = with_changes(topology, "hosted_zones", index, record_sets=kept)
    return topology


def _aliases_swapped(topology: Topology) -> Topology:
    for index, zone in enumerate(topology.hosted_zones):
        first, second, *rest = zone.record_sets
        swapped = (
            first.model_copy(update={"alias_target": second.alias_target}),
            second.model_copy(update={"alias_target": first.alias_target}),
        )
        topology = with_changes(topology, "hosted_zones", index, record_sets=(*swapped, *rest))
    return topology


FAULTS: Final = (
    Fault(
        name="zone-not-associated",
        title="The private zone is not associated with the client VPC; the public records answer.",
        layer=Layer.DNS,
        patterns=PRIVATELINK,
        edit=_zone_not_associated,
        stage=Stage.RESOLVE,
        reasons=(None,),
    ),
    Fault(
        name="record-missing",
        title="The private zone lacks the record of broker 2.",
        layer=Layer.DNS,
        patterns=PRIVATELINK,
        edit=_record_missing,
        stage=Stage.RESOLVE,
        reasons=(Reason.NXDOMAIN,),
        brokers=(2,),
    ),
    Fault(
        name="aliases-swapped",
        title="The records of brokers 1 and 2 point to each other's endpoint.",
        layer=Layer.DNS,
        patterns=MULTI,
        edit=_aliases_swapped,
        stage=Stage.RESOLVE,
        reasons=(None,),
        brokers=(1, 2),
    ),
)
