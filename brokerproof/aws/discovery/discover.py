"""Discovery: an intent and a way into its accounts -> everything that was read, as a topology with its gaps."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from pydantic import ValidationError

from brokerproof.aws.discovery.calls import (
    ATTACHMENTS,
    BALANCERS,
    DESCRIBE_CLUSTER,
    DESCRIBE_VPC_CONNECTION,
    DHCP_OPTIONS,
    ENDPOINTS,
    GATEWAY_ROUTES,
    GATEWAYS,
    INTERFACES,
    NETWORK_ACLS,
    PEERINGS,
    RECORDS,
    ROUTE_TABLES,
    RULE,
    RULE_ASSOCIATIONS,
    SECURITY_GROUP_RULES,
    SERVICES,
    SUBNETS,
    TARGET_GROUPS,
    VPC_ATTACHMENTS,
    VPCS,
    ZONES_BY_VPC,
    Call,
)
from brokerproof.aws.discovery.certificates import read_certificates
from brokerproof.aws.discovery.cluster import cluster_of
from brokerproof.aws.discovery.gateways import ReadGateways, read_gateways
from brokerproof.aws.discovery.groups import read_groups
from brokerproof.aws.discovery.hosts import Here, ReadHost, place_of, read_hosts
from brokerproof.aws.discovery.names import ReadNames, read_names, zonal_names
from brokerproof.aws.discovery.network import (
    Network,
    ReadNetwork,
    acls_of,
    beyond,
    expiring,
    peerings_of,
    read_network,
    subnets_of,
    vpcs_of,
    zone_ids,
)
from brokerproof.aws.discovery.reader import AT_ONCE, Ask, Clients, DiscoveryError, Place, Reader, each_once, where
from brokerproof.aws.discovery.routes import other_routes, tables_of
from brokerproof.aws.discovery.scope import ReadCluster, find_vpcs, read_clusters
from brokerproof.aws.discovery.services import ReadServices, read_services
from brokerproof.aws.facts import ATTACHED_SUBNETS, AccountFacts, Source
from brokerproof.aws.intent.models import IntendedClient, Intent, Whereabouts
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.managed import connection_name
from brokerproof.topology.models import (
    UNKNOWN,
    Client,
    ClientVantage,
    Cluster,
    LoadBalancer,
    SecurityGroup,
    Topology,
    VantageKind,
    Vpc,
    VpcConnection,
    VpcEndpoint,
)
from brokerproof.topology.models.pattern_name import PatternName

_LISTENERS: Final = {
    AuthenticationScheme.NONE: "CLIENT_SECURE",
    AuthenticationScheme.MTLS: "CLIENT_SECURE",
    AuthenticationScheme.SCRAM_SHA_512: "CLIENT_SASL_SCRAM",
    AuthenticationScheme.IAM: "CLIENT_IAM",
}


def discover(
    intent: Intent,
    clients: Clients,
    progress: Callable[[str], None] = lambda _: None,
    *,
    here: Callable[[], Here | None] = lambda: None,
    at_once: int = AT_ONCE,
    now: datetime | None = None,
) -> AccountFacts:
    """Read everything that the paths of the intent's clients can touch.

    Args:
        intent: What to read for.
        clients: Ways into its accounts.
        progress: Told what is being read.
        here: Says where this host is; asked where a client is ``here``.
        now: The present, by which certificates end soon; None is this host's.
        at_once: Calls at a time. One is the fastest where answers need no waiting for.

    Raises:
        DiscoveryError: a cluster or a client's host cannot be read; anything else that cannot is a gap.
    """
    reader = Reader(clients, progress, at_once=at_once)
    began = time.monotonic()
    try:
        facts = _discovered(reader, intent, here, now or datetime.now(UTC))
    except (KeyError, ValueError) as error:
        if not isinstance(error, ValidationError):
            reading = traceback.extract_tb(error.__traceback__)[-1].name.strip("_").replace("_", " ")
            raise DiscoveryError(
                f"an answer of AWS has what brokerproof cannot read ({reading}): {type(error).__name__}: {error}; "
                "record the answers with --record and compare them with the API's documentation"
            ) from None
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DiscoveryError(
            f"the account has what brokerproof cannot model: {error.title}.{place}: {first['msg']}"
        ) from None
    finally:
        reader.close()
    reader.say(f"made {reader.made} calls in {time.monotonic() - began:.1f} s")
    return facts


def _discovered(reader: Reader, intent: Intent, here: Callable[[], Here | None], now: datetime) -> AccountFacts:
    is_here = any(client.whereabouts is Whereabouts.HERE for client in intent.clients)
    hosts_read = reader.beside(lambda: read_hosts(reader, intent, here() if is_here else None))
    clusters = read_clusters(reader, intent)
    hosts = hosts_read()
    network = read_network(reader, _places(reader, intent, clusters, hosts))
    vpcs = {vpc.vpc_id: vpc for vpc in vpcs_of(network)}
    for vpc_id, place in network.places.items():
        if vpc_id not in vpcs:
            raise DiscoveryError(
                f"{vpc_id} cannot be read in account {place.account_id}, Region {place.region_name} "
                "(ec2:DescribeVpcs), and nothing on a path is known without it"
            )
    _tell_of_shared(reader, network, vpcs)
    blocks: list[Network] = [block for vpc in vpcs.values() for block in vpc.blocks]
    vpcs |= {vpc.vpc_id: vpc for vpc in beyond(network, blocks)}
    gateways_read = reader.beside(lambda: read_gateways(reader, network, blocks))
    services_read = reader.beside(lambda: read_services(reader, network, clusters))
    missed_read = reader.beside(lambda: _missed_nameservers(reader, network, vpcs))
    made = tuple(cluster_of(cluster) for cluster in clusters)
    each_once("clusters", [cluster.cluster_name for cluster in made])
    names = read_names(
        reader,
        network,
        names=list(_names(made)),
        domains=[cluster.domain for cluster in made],
        zonal=lambda: zonal_names(services_read().endpoints, vpcs, zone_ids(network)),
    )
    services, gateways = services_read(), gateways_read()
    ending = reader.beside(lambda: read_certificates(reader, services.listeners, clusters, now))
    groups = read_groups(reader, _groups(network, clusters, hosts, services), network.places)
    topology = _topology(
        intent,
        network,
        vpcs=vpcs,
        blocks=blocks,
        clusters=dict(zip(intent.clusters, made, strict=True)),
        hosts=hosts,
        gateways=gateways,
        services=services,
        names=names,
        groups=groups,
    )
    peerings = {p.vpc_peering_connection_id for p in topology.vpc_peering_connections}
    return AccountFacts(
        topology=topology,
        gaps=reader.gaps,
        sources=_sources(topology, network),
        target_health=tuple(services.health),
        open_services=tuple(services.permissions),
        provided=tuple(services.provided),
        expiring=(*expiring(network), *ending()),
        instance_types={
            cluster.info["ClusterName"]: cluster.provisioned.get("BrokerNodeGroupInfo", {}).get("InstanceType", "")
            for cluster in clusters
        },
        places={vpc_id: (place.account_id, place.region_name) for vpc_id, place in network.places.items()},
        other_routes=tuple(other_routes(network, blocks, peerings)),
        other_endpoints=tuple(services.other_endpoints),
        other_rules=tuple(names.other_rules),
        interfaces_missed=missed_read(),
    )


_TOLD_TO_OWNERS: Final = (PEERINGS, ATTACHMENTS, DHCP_OPTIONS, ENDPOINTS, ZONES_BY_VPC, RULE_ASSOCIATIONS)


def _tell_of_shared(reader: Reader, network: ReadNetwork, vpcs: Mapping[str, Vpc]) -> None:
    """Of a VPC that another account shares subnets of, these calls tell that account alone."""
    for vpc_id, place in network.places.items():
        owner = vpcs[vpc_id].owner_id
        if owner != place.account_id:
            why = f"{vpc_id} is of account {owner}, which shares subnets of it, and tells this to nobody else"
            for call in _TOLD_TO_OWNERS:
                reader.missing(place, call, why, [vpc_id])


def _places(
    reader: Reader, intent: Intent, clusters: Iterable[ReadCluster], hosts: Iterable[ReadHost]
) -> dict[str, Place]:
    places = {host.spot.vpc_id: host.place for host in hosts if host.spot.vpc_id != UNKNOWN}
    places |= {cluster.vpc_id: cluster.place for cluster in clusters}
    named = {c.endpoint_vpc for c in intent.clients if c.endpoint_vpc is not None} - set(places)
    found = find_vpcs(reader, named, [*places.values(), *(place_of(intent, c) for c in intent.clients)])
    for vpc_id in sorted(named - set(found)):
        raise DiscoveryError(f"endpoint_vpc {vpc_id} was not found in any account and Region of the intent")
    return places | found


def _names(clusters: Iterable[Cluster]) -> Iterator[str]:
    """Every name that clients of these clusters may ask for."""
    for cluster in clusters:
        for broker in cluster.brokers:
            yield broker.endpoint
            if broker.ipv6_endpoint is not None:
                yield broker.ipv6_endpoint
            yield from (told.name.removesuffix(".") for told in broker.advertised_listeners)
            yield from (connection_name(broker, scheme) for scheme in cluster.vpc_connectivity)


def _groups(
    network: ReadNetwork, clusters: Iterable[ReadCluster], hosts: Iterable[ReadHost], services: ReadServices
) -> Iterator[tuple[Place, str]]:
    """The groups that something on the paths has, and where each is."""
    for cluster in clusters:
        own: dict[str, Any] = cluster.provisioned.get("BrokerNodeGroupInfo", {})
        enis = [g["GroupId"] for eni in cluster.interfaces.values() for g in eni.get("Groups", ())]
        yield from ((cluster.place, group) for group in enis or own.get("SecurityGroups", ()))
    for host in hosts:
        yield from ((host.place, group) for group in host.spot.groups)
    owners: list[LoadBalancer | VpcEndpoint | VpcConnection] = [*services.balancers, *services.endpoints]
    owners += services.connections
    for one in owners:
        yield from ((network.places[one.vpc_id], group) for group in one.security_groups)


def _topology(
    intent: Intent,
    network: ReadNetwork,
    *,
    vpcs: dict[str, Vpc],
    blocks: list[Network],
    clusters: Mapping[str, Cluster],
    hosts: list[ReadHost],
    gateways: ReadGateways,
    services: ReadServices,
    names: ReadNames,
    groups: list[SecurityGroup],
) -> Topology:
    peerings = tuple(peerings_of(network, set(vpcs)))
    return Topology(
        name=intent.name,
        vpcs=tuple(vpcs[key] for key in sorted(vpcs)),
        subnets=tuple(subnets_of(network)),
        route_tables=tuple(tables_of(network, blocks, {p.vpc_peering_connection_id for p in peerings})),
        vpc_peering_connections=peerings,
        transit_gateways=tuple(gateways.gateways),
        transit_gateway_attachments=tuple(sorted(gateways.attachments, key=lambda a: a.transit_gateway_attachment_id)),
        transit_gateway_route_tables=tuple(gateways.tables),
        network_acls=tuple(acls_of(network)),
        security_groups=tuple(groups),
        target_groups=tuple(services.target_groups),
        load_balancers=tuple(sorted(services.balancers, key=lambda b: b.load_balancer_name)),
        endpoint_services=tuple(services.services),
        vpc_endpoints=tuple(services.endpoints),
        hosted_zones=tuple(names.zones),
        resolver_rules=tuple(names.rules),
        clusters=tuple(clusters.values()),
        vpc_connections=tuple(services.connections),
        clients=tuple(_client(intent, host, clusters) for host in hosts),
    )


def _client(intent: Intent, host: ReadHost, clusters: Mapping[str, Cluster]) -> Client:
    wanted, spot = host.client, host.spot
    cluster = clusters[intent.cluster_of(wanted)]
    scheme = _scheme(wanted, cluster)
    return Client(
        name=wanted.name,
        vpc_id=spot.vpc_id,
        subnet_id=spot.subnet_id,
        private_ip_address=None if spot.address is None else IPv4Address(spot.address),
        ipv6_address=None if spot.ipv6 is None else IPv6Address(spot.ipv6),
        cluster_name=cluster.cluster_name,
        pattern=wanted.pattern,
        endpoint_vpc_id=wanted.endpoint_vpc,
        listener=wanted.listener or _listener(scheme, wanted.pattern, cluster),
        authentication=scheme,
        credentials=wanted.credentials,
        security_groups=spot.groups,
        vantage=_vantage(wanted),
        ca_file=wanted.ca_file,
        witness_port=wanted.witness_port,
        existing_topic=wanted.existing_topic,
        transactional_id=wanted.transactional_id,
        may_lack=wanted.may_lack,
    )


def _vantage(wanted: IntendedClient) -> ClientVantage:
    """How the client's host is reached; this one needs no way."""
    stated = "vantage" in wanted.model_fields_set or wanted.whereabouts is not Whereabouts.HERE
    return wanted.vantage if stated else ClientVantage(kind=VantageKind.LOCAL)


def _scheme(wanted: IntendedClient, cluster: Cluster) -> AuthenticationScheme:
    """How a client logs in. Of this host, of which nobody says it: by IAM, where the cluster lets nobody in without."""
    stated = "authentication" in wanted.model_fields_set or wanted.listener is not None
    if stated or wanted.whereabouts is not Whereabouts.HERE:
        return wanted.authentication
    taken = {scheme for listener in cluster.listeners for scheme in listener.takes}
    by_iam = AuthenticationScheme.IAM in taken and AuthenticationScheme.NONE not in taken
    return AuthenticationScheme.IAM if by_iam else wanted.authentication


def _listener(scheme: AuthenticationScheme, pattern: PatternName | None, cluster: Cluster) -> str:
    """The listener of a way to log in; behind a VPC connection MSK has one of its own for each."""
    names = [listener.name for listener in cluster.listeners]
    wanted = _LISTENERS[scheme]
    if pattern is PatternName.MULTI_VPC:
        wanted = f"{wanted}_VPCE"
        if scheme is AuthenticationScheme.NONE:
            return next((name for name in names if name.endswith("_VPCE")), wanted)
    return "CLIENT" if wanted not in names and names == ["CLIENT"] else wanted


def _missed_nameservers(
    reader: Reader, network: ReadNetwork, vpcs: Mapping[str, Vpc]
) -> tuple[tuple[str, IPv4Address], ...]:
    """Nameservers that DHCP gives hosts and nobody has, where they are addresses of the VPC's own."""
    wanted = [
        (vpc, server)
        for vpc in (vpcs[key] for key in sorted(vpcs))
        for server in vpc.domain_name_servers
        if vpc.vpc_id in network.places
        and vpc.owner_id == network.places[vpc.vpc_id].account_id
        and any(server in block for block in vpc.cidr_blocks)
        and server != vpc.cidr_blocks[0].network_address + 2
    ]
    reads = reader.every(
        Ask(
            network.places[vpc.vpc_id],
            INTERFACES,
            {
                "Filters": [
                    *where("vpc-id", [vpc.vpc_id])["Filters"],
                    *where("addresses.private-ip-address", [str(server)])["Filters"],
                ]
            },
            of=(vpc.vpc_id, str(server)),
        )
        for vpc, server in wanted
    )
    return tuple((v.vpc_id, s) for (v, s), r in zip(wanted, reads, strict=True) if r.known and not r.entries)


_READ_BY: Final[tuple[tuple[str, str, Call], ...]] = (
    ("vpcs", "vpc_id", VPCS),
    ("subnets", "subnet_id", SUBNETS),
    ("route_tables", "route_table_id", ROUTE_TABLES),
    ("vpc_peering_connections", "vpc_peering_connection_id", PEERINGS),
    ("transit_gateways", "transit_gateway_id", GATEWAYS),
    ("transit_gateway_attachments", "transit_gateway_attachment_id", ATTACHMENTS),
    ("transit_gateway_route_tables", "transit_gateway_route_table_id", GATEWAY_ROUTES),
    ("network_acls", "network_acl_id", NETWORK_ACLS),
    ("security_groups", "group_id", SECURITY_GROUP_RULES),
    ("target_groups", "target_group_name", TARGET_GROUPS),
    ("load_balancers", "load_balancer_name", BALANCERS),
    ("endpoint_services", "service_name", SERVICES),
    ("vpc_endpoints", "vpc_endpoint_id", ENDPOINTS),
    ("hosted_zones", "hosted_zone_id", RECORDS),
    ("resolver_rules", "resolver_rule_id", RULE),
    ("clusters", "cluster_name", DESCRIBE_CLUSTER),
    ("vpc_connections", "vpc_connection_arn", DESCRIBE_VPC_CONNECTION),
)
"""The call that tells of each resource of a topology."""


def _sources(topology: Topology, network: ReadNetwork) -> dict[str, Source]:
    found = {}
    told = [(collection, collection, key, call) for collection, key, call in _READ_BY]
    told.append((ATTACHED_SUBNETS, "transit_gateway_attachments", "transit_gateway_attachment_id", VPC_ATTACHMENTS))
    for name, collection, key, call in told:
        for item in getattr(topology, collection):
            place = network.places.get(getattr(item, "vpc_id", ""))
            found[f"{name}/{getattr(item, key)}"] = Source(
                action=call.action,
                resource=getattr(item, key),
                account_id=place.account_id if place else "",
                region_name=place.region_name if place else "",
            )
    return found
