"""What MSK itself builds for multi-VPC connectivity, as ordinary resources. Pure.

For each scheme that is turned on: a load balancer with one listener a broker. For each VPC connection: an
interface endpoint in the client VPC, and a private zone that answers the connection's names there.
MSK documents the names' effect and the ports (14001-14100), not these resources; they are a model of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

from brokerproof.topology.models import (
    UNKNOWN,
    AliasTarget,
    Broker,
    Cluster,
    EndpointService,
    EndpointState,
    HostedZone,
    Listener,
    LoadBalancer,
    LoadBalancerZone,
    ResourceRecordSet,
    TargetDescription,
    TargetGroup,
    Topology,
    VpcAuthentication,
    VpcConnection,
    VpcConnectionState,
    VpcEndpoint,
)

FIRST_PORT: Final = 14001
"""MSK developer guide, multi-VPC connectivity, step 3: its load balancer listens on 14001-14100."""
_NODE_FROM_END: Final = 5
"""Where in a broker subnet the lab puts the node of MSK's own load balancer: this far before its last address."""


def connection_name(broker: Broker, scheme: VpcAuthentication) -> str:
    """``b-1.tls.<cluster>...``: the broker's name with the scheme's label after its first label."""
    first, domain = broker.endpoint.split(".", 1)
    return f"{first}.{scheme.label}.{domain}"


def connection_port(cluster: Cluster, broker: Broker) -> int:
    """14001 for the first broker, 14002 for the next, ..."""
    return FIRST_PORT + [b.broker_id for b in cluster.brokers].index(broker.broker_id)


def balancer_name(cluster: Cluster, scheme: VpcAuthentication) -> str:
    """What the model calls MSK's own load balancer of a scheme."""
    return f"msk-{cluster.cluster_name}-{scheme.label}"


def with_managed(topology: Topology) -> Topology:
    """The topology with what MSK builds added as ordinary resources; itself where multi-VPC connectivity is off."""
    placed = [cluster for cluster in topology.clusters if _is_placed(cluster)]
    # A scheme without its listener breaks a rule; an account that is read may be in that state all the same.
    schemes = [(c, s) for c in placed for s in c.vpc_connectivity if s.listener in {each.name for each in c.listeners}]
    if not schemes:
        return topology
    names = {cluster.cluster_name for cluster in placed}
    connections = [each for each in topology.vpc_connections if each.target_cluster_name in names]
    endpoints = tuple(_endpoint(topology, connection) for connection in connections)
    return topology.model_copy(
        update={
            "target_groups": (*topology.target_groups, *(g for c, s in schemes for g in _target_groups(c, s))),
            "load_balancers": (*topology.load_balancers, *(_balancer(topology, c, s) for c, s in schemes)),
            "endpoint_services": (*topology.endpoint_services, *(_service(c, s) for c, s in schemes)),
            "vpc_endpoints": (*topology.vpc_endpoints, *endpoints),
            "hosted_zones": (*topology.hosted_zones, *(_zone(topology, c) for c in connections)),
        }
    )


def _is_placed(cluster: Cluster) -> bool:
    """Whether it is known where its brokers are; what MSK builds for others cannot be said."""
    unknown = any(b.client_vpc_ip_address is None or b.client_subnet == UNKNOWN for b in cluster.brokers)
    return cluster.vpc_id != UNKNOWN and not unknown


def _group_name(cluster: Cluster, scheme: VpcAuthentication, broker: Broker) -> str:
    return f"{balancer_name(cluster, scheme)}-b{broker.broker_id}"


def _target_groups(cluster: Cluster, scheme: VpcAuthentication) -> Iterator[TargetGroup]:
    port = next(entry.port for entry in cluster.listeners if entry.name == scheme.listener)
    for broker in cluster.brokers:
        yield TargetGroup(
            target_group_name=_group_name(cluster, scheme, broker),
            vpc_id=cluster.vpc_id,
            port=port,
            targets=tuple(TargetDescription(id=eni) for eni in (broker.client_vpc_ip_address,) if eni is not None),
        )


def _balancer(topology: Topology, cluster: Cluster, scheme: VpcAuthentication) -> LoadBalancer:
    subnets = list(dict.fromkeys(broker.client_subnet for broker in cluster.brokers))
    offset = _NODE_FROM_END + list(VpcAuthentication).index(scheme)
    name = balancer_name(cluster, scheme)
    return LoadBalancer(
        load_balancer_name=name,
        vpc_id=cluster.vpc_id,
        dns_name=f"{name}.elb.{topology.vpc(cluster.vpc_id).region_name}.amazonaws.com",
        availability_zones=tuple(
            LoadBalancerZone(
                subnet_id=subnet_id,
                private_ipv4_address=IPv4Address(int(topology.subnet(subnet_id).cidr_block.broadcast_address) - offset),
            )
            for subnet_id in subnets
        ),
        cross_zone_enabled=True,
        listeners=tuple(
            Listener(port=connection_port(cluster, broker), target_group_name=_group_name(cluster, scheme, broker))
            for broker in cluster.brokers
        ),
    )


def _service(cluster: Cluster, scheme: VpcAuthentication) -> EndpointService:
    name = balancer_name(cluster, scheme)
    return EndpointService(service_name=f"vpce-svc-{name}", network_load_balancer_name=name)


def _endpoint(topology: Topology, connection: VpcConnection) -> VpcEndpoint:
    cluster = topology.cluster(connection.target_cluster_name)
    available = connection.state is VpcConnectionState.AVAILABLE
    return VpcEndpoint(
        vpc_endpoint_id=connection.vpc_connection_arn,
        vpc_id=connection.vpc_id,
        service_name=_service(cluster, connection.authentication).service_name,
        dns_name=_endpoint_name(topology, connection),
        state=EndpointState.AVAILABLE if available else EndpointState.FAILED,
        network_interfaces=connection.network_interfaces,
        security_groups=connection.security_groups,
    )


def _endpoint_name(topology: Topology, connection: VpcConnection) -> str:
    """As AWS makes them, ``vpce-`` and 17 hexadecimal digits; here they follow from the connection."""
    label = f"vpce-{hashlib.sha256(connection.vpc_connection_arn.encode()).hexdigest()[:17]}"
    return f"{label}.vpce.{topology.vpc(connection.vpc_id).region_name}.amazonaws.com"


def _zone(topology: Topology, connection: VpcConnection) -> HostedZone:
    cluster = topology.cluster(connection.target_cluster_name)
    scheme = connection.authentication
    alias = AliasTarget(dns_name=_endpoint_name(topology, connection))
    return HostedZone(
        hosted_zone_id=f"managed/{connection.vpc_connection_arn}",
        name=f"{scheme.label}.{cluster.domain}",
        vpc_ids=(connection.vpc_id,),
        record_sets=tuple(
            ResourceRecordSet(name=connection_name(broker, scheme), alias_target=alias) for broker in cluster.brokers
        ),
    )
