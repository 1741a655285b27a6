"""Faults of private hosted zones."""

from __future__ import annotations

from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults.fault import COMBINATION, MULTI, ONE_NLB, PRIVATELINK, REMOTE, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import client_names


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


def _zone_without_remote(topology: Topology) -> Topology:
    """Still associated with the endpoint VPC, no longer with the VPCs that are joined to it."""
    for index, zone in enumerate(topology.hosted_zones):
        if len(zone.vpc_ids) > 1:
            topology = with_changes(topology, "hosted_zones", index, vpc_ids=zone.vpc_ids[:1])
    return topology


def _local_zone_missing(topology: Topology) -> Topology:
    home = topology.clusters[0].vpc_id
    kept = tuple(zone for zone in topology.hosted_zones if home not in zone.vpc_ids)
    return topology.model_copy(update={"hosted_zones": kept})


FAULTS: Final = (
    Fault(
        name="zone-not-associated-remote",
        title="The private zone is not associated with the remote VPC that uses the endpoints.",
        layer=FaultLayer.DNS,
        patterns=REMOTE,
        edit=_zone_without_remote,
        stage=Stage.RESOLVE,
        reasons=(None,),
        client=client_names.REMOTE_BY_PEERING,
        codes=joined(Code.DNS_ZONE_NOT_ASSOCIATED, sets.ZONE_NOT_USED),
    ),
    Fault(
        name="local-zone-missing",
        title="Behind one NLB, the cluster VPC has no private zone that leads to the NLB.",
        layer=FaultLayer.DNS,
        patterns=ONE_NLB,
        edit=_local_zone_missing,
        stage=Stage.RESOLVE,
        reasons=(None,),
        client=client_names.CLUSTER_VPC,
        codes=(Code.DNS_LOCAL_ZONE_MISSING,),
    ),
    Fault(
        name="second-path-taken",
        title="The zone is not associated where a peering leads to the same brokers; it works, by the wrong path.",
        layer=FaultLayer.DNS,
        patterns=COMBINATION,
        edit=_zone_not_associated,
        stage=Stage.RESOLVE,
        reasons=(None,),
        client=client_names.TWO_PATHS,
        codes=joined(Code.DNS_ZONE_NOT_ASSOCIATED, sets.ZONE_NOT_USED),
    ),
    Fault(
        name="zone-not-associated",
        title="The private zone is not associated with the client VPC; the public records answer.",
        layer=FaultLayer.DNS,
        patterns=PRIVATELINK,
        edit=_zone_not_associated,
        stage=Stage.RESOLVE,
        reasons=(None,),
        codes=joined(
            # The cluster VPC's own zone behind one NLB is taken away as well.
            Code.DNS_ZONE_NOT_ASSOCIATED,
            sets.ZONE_NOT_USED,
            frozenset({Code.DNS_LOCAL_ZONE_MISSING}),
        ),
    ),
    Fault(
        name="record-missing",
        title="The private zone lacks the record of broker 2.",
        layer=FaultLayer.DNS,
        patterns=PRIVATELINK,
        edit=_record_missing,
        stage=Stage.RESOLVE,
        reasons=(Reason.NXDOMAIN,),
        brokers=(2,),
        codes=(Code.DNS_RECORD_MISSING,),
    ),
    Fault(
        name="aliases-swapped",
        title="The records of brokers 1 and 2 point to each other's endpoint.",
        layer=FaultLayer.DNS,
        patterns=MULTI,
        edit=_aliases_swapped,
        stage=Stage.RESOLVE,
        reasons=(None,),
        brokers=(1, 2),
        codes=(Code.DNS_WRONG_ENDPOINT,),
    ),
)
