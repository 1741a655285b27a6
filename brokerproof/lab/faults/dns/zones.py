"""Faults of private hosted zones: where a zone is associated, what it is named after, what its records say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv6Address
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    COMBINATION,
    CROSS_REGION,
    MULTI,
    ONE_NLB,
    PRIVATELINK,
    REMOTE,
    SINGLE,
    Fault,
    FaultLayer,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_added, with_changed, with_changes, with_each
from brokerproof.topology.models import AliasTarget, HostedZone, ResourceRecordSet, Topology, zonal_dns_name
from brokerproof.topology.patterns import client_names


def _zone_not_associated(topology: Topology) -> Topology:
    return with_each(topology, "hosted_zones", vpc_ids=())


def _record_missing(topology: Topology) -> Topology:
    for index, zone in enumerate(topology.hosted_zones):
        others = tuple(r for r in zone.record_sets if not r.name.startswith("b-2."))
        topology = with_changes(topology, "hosted_zones", index, record_sets=others)
    return topology


def _aliases_swapped(topology: Topology) -> Topology:
    for index, zone in enumerate(topology.hosted_zones):
        first, second, *others = zone.record_sets
        swapped = (
            first.model_copy(update={"alias_target": second.alias_target}),
            second.model_copy(update={"alias_target": first.alias_target}),
        )
        topology = with_changes(topology, "hosted_zones", index, record_sets=(*swapped, *others))
    return topology


def _zone_without_remote(topology: Topology) -> Topology:
    """Still associated with the endpoint VPC, no longer with the VPCs that are joined to it."""
    for index, zone in enumerate(topology.hosted_zones):
        if len(zone.vpc_ids) > 1:
            topology = with_changes(topology, "hosted_zones", index, vpc_ids=zone.vpc_ids[:1])
    return topology


def _local_zone_missing(topology: Topology) -> Topology:
    home = topology.clusters[0].vpc_id
    others = tuple(zone for zone in topology.hosted_zones if home not in zone.vpc_ids)
    return topology.model_copy(update={"hosted_zones": others})


def _of_clients(topology: Topology) -> Callable[[HostedZone], bool]:
    home = topology.clusters[0].vpc_id
    return lambda zone: home not in zone.vpc_ids


def _with_record(topology: Topology, change: Callable[[ResourceRecordSet], tuple[ResourceRecordSet, ...]]) -> Topology:
    """Broker 2's record replaced by others."""

    def records(zone: HostedZone) -> tuple[ResourceRecordSet, ...]:
        return tuple(other for r in zone.record_sets for other in (change(r) if r.name.startswith("b-2.") else (r,)))

    return with_changed(topology, "hosted_zones", _of_clients(topology), record_sets=records)


def _empty(topology: Topology) -> Topology:
    return with_changed(topology, "hosted_zones", _of_clients(topology), record_sets=())


def _hidden(topology: Topology) -> Topology:
    """The zone is wider than the cluster, and somebody made another, empty one for the cluster's own domain."""
    domain = topology.clusters[0].domain
    wide = f"c2.{_region_domain(topology)}"
    topology = with_changed(topology, "hosted_zones", _of_clients(topology), name=wide)
    vpcs = tuple(vpc_id for zone in topology.hosted_zones if zone.name == wide for vpc_id in zone.vpc_ids)
    return with_added(topology, "hosted_zones", HostedZone(hosted_zone_id="ZEMPTY", name=domain, vpc_ids=vpcs))


def _region_domain(topology: Topology) -> str:
    """What all names of MSK in the Region end in; the API's is just that."""
    return topology.clusters[0].domain.split(".c2.", 1)[1]


def _wide(topology: Topology) -> Topology:
    return with_changed(topology, "hosted_zones", _of_clients(topology), name=_region_domain(topology))


def _hidden_name(topology: Topology) -> Topology:
    """Somebody made a zone of broker 2's own name, without a record at its apex."""
    vpcs = tuple(v for zone in topology.hosted_zones if _of_clients(topology)(zone) for v in zone.vpc_ids)
    name = topology.clusters[0].brokers[1].endpoint
    return with_added(topology, "hosted_zones", HostedZone(hosted_zone_id="ZEMPTY", name=name, vpc_ids=vpcs))


def _narrow(topology: Topology) -> Topology:
    """Named after broker 1, so it holds nothing but that; the others are answered by public DNS."""
    return with_changed(
        topology,
        "hosted_zones",
        _of_clients(topology),
        name=lambda zone: f"b-1.{zone.name}",
        record_sets=lambda zone: tuple(r for r in zone.record_sets if r.name.startswith("b-1.")),
    )


def _stale(topology: Topology) -> Topology:
    """An address in the cluster VPC's range that no ENI has: what an endpoint had before it was made anew."""
    return _with_record(
        topology, lambda r: (r.model_copy(update={"alias_target": None, "resource_records": ("10.1.32.250",)}),)
    )


def _zonal(topology: Topology) -> Topology:
    ends = {
        e.dns_name: zonal_dns_name(e, topology.zone_of(e.network_interfaces[-1].subnet_id))
        for e in topology.vpc_endpoints
    }

    def one_zone(record: ResourceRecordSet) -> tuple[ResourceRecordSet, ...]:
        whole = record.alias_target.dns_name if record.alias_target is not None else ""
        return (record.model_copy(update={"alias_target": AliasTarget(dns_name=ends[whole])}),)

    return _with_record(topology, one_zone)


def _one_endpoint(topology: Topology) -> Topology:
    return with_changed(
        topology,
        "hosted_zones",
        _of_clients(topology),
        record_sets=lambda zone: tuple(
            r.model_copy(update={"alias_target": zone.record_sets[0].alias_target}) for r in zone.record_sets
        ),
    )


def _also_ipv6(topology: Topology) -> Topology:
    aaaa = {"type": "AAAA", "alias_target": None, "resource_records": (str(IPv6Address("fd00:0:0:1::250")),)}
    return _with_record(topology, lambda r: (r, r.model_copy(update=aaaa)))


def _cname_loop(topology: Topology) -> Topology:
    def loop(record: ResourceRecordSet) -> tuple[ResourceRecordSet, ...]:
        other = f"old-{record.name}"
        there = {"type": "CNAME", "alias_target": None, "resource_records": (f"{other}.",)}
        back = {**there, "name": other, "resource_records": (f"{record.name}.",)}
        return record.model_copy(update=there), record.model_copy(update=back)

    return _with_record(topology, loop)


_fault = partial(Fault, layer=FaultLayer.DNS, stage=Stage.RESOLVE, patterns=PRIVATELINK, reasons=(None,))

FAULTS: Final = (
    _fault(
        "zone-not-associated-remote",
        "The private zone is not associated with the remote VPC that uses the endpoints.",
        _zone_without_remote,
        Code.DNS_ZONE_NOT_ASSOCIATED,
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
        alike=(Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_RESOLVER_RULE),
    ),
    _fault(
        "local-zone-missing",
        "Behind one NLB, the cluster VPC has no private zone that leads to the NLB.",
        _local_zone_missing,
        Code.DNS_LOCAL_ZONE_MISSING,
        patterns=ONE_NLB,
        client=client_names.CLUSTER_VPC,
        alike=(Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_RESOLVER_RULE),
    ),
    _fault(
        "second-path-taken",
        "The zone is not associated where a peering leads to the same brokers; it works, by the wrong path.",
        _zone_not_associated,
        Code.DNS_ZONE_NOT_ASSOCIATED,
        patterns=COMBINATION,
        client=client_names.TWO_PATHS,
        spreads=True,
        alike=(Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_RESOLVER_RULE),
    ),
    _fault(
        "zone-not-associated",
        "The private zone is not associated with the client VPC; the public records answer.",
        _zone_not_associated,
        Code.DNS_ZONE_NOT_ASSOCIATED,
        alike={
            ONE_NLB: (Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_RESOLVER_RULE, Code.DNS_LOCAL_ZONE_MISSING),
            (*MULTI, *CROSS_REGION): (Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_RESOLVER_RULE),
        },
    ),
    _fault(
        "record-missing",
        "The private zone lacks the record of broker 2.",
        _record_missing,
        Code.DNS_RECORD_MISSING,
        reasons=(Reason.NXDOMAIN,),
        brokers=(2,),
    ),
    _fault(
        "aliases-swapped",
        "The records of brokers 1 and 2 point to each other's endpoint.",
        _aliases_swapped,
        Code.DNS_WRONG_ENDPOINT,
        patterns=MULTI,
        brokers=(1, 2),
    ),
    _fault(
        "records-missing",
        "The private zone is associated, and has no record at all.",
        _empty,
        Code.DNS_RECORD_MISSING,
        reasons=(Reason.NXDOMAIN,),
        alike=(Code.DNS_MORE_SPECIFIC_ZONE,),
    ),
    _fault(
        "zone-hidden",
        "An empty, more specific private zone hides the one that has the records.",
        _hidden,
        Code.DNS_MORE_SPECIFIC_ZONE,
        reasons=(Reason.NXDOMAIN,),
        alike=(Code.DNS_RECORD_MISSING,),
    ),
    _fault(
        "zone-too-wide",
        "The private zone is named after the Region's whole MSK domain, and hides the MSK API.",
        _wide,
        Code.DNS_ZONE_SHADOWS_REGION,
        reasons=(Reason.NXDOMAIN, Reason.NO_DATA),
        brokers=(),
        isolation=True,
    ),
    _fault(
        "zone-of-one-name",
        "An empty private zone of broker 2's own name hides its record.",
        _hidden_name,
        Code.DNS_MORE_SPECIFIC_ZONE,
        reasons=(Reason.NO_DATA,),
        brokers=(2,),
    ),
    _fault(
        "zone-too-narrow",
        "The private zone is named after broker 1 alone; the other names get public answers.",
        _narrow,
        Code.DNS_ZONE_NOT_ASSOCIATED,
        brokers=(2, 3),
        alike=(Code.DNS_RESOLVER_RULE, Code.DNS_STALE_RECORD),  # records of the brokers' own addresses look the same
    ),
    _fault(
        "record-stale",
        "Broker 2's record is a literal address that the endpoint no longer has.",
        _stale,
        Code.DNS_STALE_RECORD,
        brokers=(2,),
    ),
    _fault(
        "alias-zonal",
        "Broker 2's record is an alias to one zone of the endpoint.",
        _zonal,
        Code.DNS_ZONAL_ALIAS,
        brokers=(2,),
        alike={SINGLE: (), MULTI: (Code.ENDPOINT_ZONE_MISMATCH,)},
    ),
    _fault(
        "aliases-to-one-endpoint",
        "Every record is an alias to broker 1's endpoint.",
        _one_endpoint,
        Code.DNS_WRONG_ENDPOINT,
        brokers=(2, 3),
        patterns=MULTI,
    ),
    _fault(
        "record-also-ipv6",
        "Broker 2 also has an AAAA record, which leads nowhere.",
        _also_ipv6,
        Code.DNS_IPV6_ANSWER_UNUSABLE,
        brokers=(2,),
    ),
    _fault(
        "cname-loop",
        "Broker 2's record is a CNAME of a name that is a CNAME of it.",
        _cname_loop,
        Code.DNS_CNAME_LOOP,
        reasons=(Reason.SERVFAIL,),
        brokers=(2,),
        alike=(Code.DNS_RESOLVER_FAILING, Code.DNS_RESOLVER_RULE),
    ),
)
