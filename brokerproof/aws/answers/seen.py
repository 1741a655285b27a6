"""What a discovery can know of a topology at best: what no call of the API tells is left at its default. Pure.

The law is ``discover(answers(T)) == as_seen(T)``, up to the order of what has none. What no call tells: the lab's own
settings and certificates, whether a broker's process runs, a broker's own override of what it advertises, and the
brokers' port behind multi-VPC connectivity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from brokerproof.topology.models import (
    AdvertisedListener,
    Broker,
    BrokerState,
    Client,
    ClientIdentity,
    Cluster,
    ClusterListener,
    HostedZone,
    IamJudgement,
    LabSettings,
    LoadBalancer,
    NetworkAcl,
    ResourceRecordSet,
    RouteTable,
    SecurityGroup,
    ServerCertificate,
    TargetDescription,
    TargetGroup,
    Topology,
    TransitGatewayAttachment,
    TransitGatewayRouteTable,
    VpcConnection,
    VpcEndpoint,
)

_PORT_OF_CONNECTIONS: Final = 9294


def as_seen(topology: Topology) -> Topology:
    """The topology as the account shows it, in the order of ids."""
    ordered = {
        name: tuple(sorted(getattr(topology, name), key=lambda item: str(next(iter(item.__dict__.values())))))
        for name in Topology.model_fields
        if isinstance(getattr(topology, name), tuple) and name != "clients"
    }
    return topology.model_copy(
        update={
            **ordered,
            "route_tables": _each(ordered["route_tables"], _table, lambda t: bool(t.subnet_ids)),
            "transit_gateway_attachments": _each(ordered["transit_gateway_attachments"], _attachment),
            "transit_gateway_route_tables": _each(ordered["transit_gateway_route_tables"], _gateway_table),
            "network_acls": _each(ordered["network_acls"], _acl, lambda a: bool(a.subnet_ids)),
            "security_groups": _each(ordered["security_groups"], _group),
            "target_groups": _each(ordered["target_groups"], _target_group),
            "load_balancers": _each(ordered["load_balancers"], _balancer),
            "vpc_endpoints": _each(ordered["vpc_endpoints"], _endpoint),
            "vpc_connections": _each(ordered["vpc_connections"], _connection),
            "hosted_zones": _each(ordered["hosted_zones"], _zone),
            "resolver_rules": _each(ordered["resolver_rules"], lambda r: _with(r, vpc_ids=tuple(sorted(r.vpc_ids)))),
            "clusters": _each(ordered["clusters"], _cluster),
            "clients": tuple(_client(topology, client) for client in topology.clients),
            "lab": LabSettings(),
        }
    )


def _each(
    items: Iterable[Any], change: Callable[[Any], Any], chosen: Callable[[Any], bool] = lambda _: True
) -> tuple[Any, ...]:
    return tuple(change(item) for item in items if chosen(item))


def _with(item: Any, **changes: Any) -> Any:
    return item.model_copy(update=changes)


def _table(table: RouteTable) -> Any:
    routes = tuple(sorted(table.routes, key=lambda r: str(r.destination)))
    return _with(table, subnet_ids=tuple(sorted(table.subnet_ids)), routes=routes)


def _attachment(attachment: TransitGatewayAttachment) -> Any:
    subnet_ids = None if attachment.subnet_ids is None else tuple(sorted(attachment.subnet_ids))
    return _with(attachment, propagations=tuple(sorted(attachment.propagations)), subnet_ids=subnet_ids)


def _gateway_table(table: TransitGatewayRouteTable) -> Any:
    return _with(table, routes=tuple(sorted(table.routes, key=lambda r: str(r.destination_cidr_block))))


def _acl(acl: NetworkAcl) -> Any:
    entries = tuple(sorted(acl.entries, key=lambda e: (e.egress, e.rule_number)))
    return _with(acl, subnet_ids=tuple(sorted(acl.subnet_ids)), entries=entries)


def _group(group: SecurityGroup) -> Any:
    sides = {}
    for side in ("ingress", "egress"):
        rules = [_with(r, from_port=0, to_port=65535) if r.ip_protocol == "-1" else r for r in getattr(group, side)]
        sides[side] = tuple(sorted(rules, key=repr))
    return _with(group, **sides)


def _target_group(group: TargetGroup) -> Any:
    targets: list[TargetDescription] = [_with(t, port=None) if t.port == group.port else t for t in group.targets]
    return _with(group, targets=tuple(sorted(targets, key=lambda t: (str(t.id), t.port or 0))))


def _balancer(balancer: LoadBalancer) -> Any:
    zones = tuple(sorted(balancer.availability_zones, key=lambda z: z.subnet_id))
    # Without a group AWS does not say whether one would be enforced.
    enforced = (
        balancer.enforce_security_group_inbound_rules_on_private_link_traffic if balancer.security_groups else "on"
    )
    return _with(
        balancer,
        availability_zones=zones,
        listeners=tuple(sorted(balancer.listeners, key=lambda entry: entry.port)),
        security_groups=tuple(sorted(balancer.security_groups)),
        enforce_security_group_inbound_rules_on_private_link_traffic=enforced,
    )


def _endpoint(endpoint: VpcEndpoint) -> Any:
    enis = tuple(sorted(endpoint.network_interfaces, key=lambda eni: eni.subnet_id))
    return _with(endpoint, network_interfaces=enis, security_groups=tuple(sorted(endpoint.security_groups)))


def _connection(connection: VpcConnection) -> Any:
    return _with(_endpoint(connection), client_subnets=tuple(sorted(connection.client_subnets)))  # type: ignore[arg-type]


def _zone(zone: HostedZone) -> Any:
    def seen(record: ResourceRecordSet) -> Any:
        return _with(record, ttl=60) if record.alias_target is not None else record

    records = sorted((seen(r) for r in zone.record_sets), key=lambda r: (r.name, r.type))
    return _with(zone, vpc_ids=tuple(sorted(zone.vpc_ids)), record_sets=tuple(records))


def _cluster(cluster: Cluster) -> Any:
    told = _mostly_told(cluster)
    listeners = [_listener(entry) for entry in cluster.listeners if entry.enabled]
    return _with(
        cluster,
        listeners=tuple(sorted(listeners, key=lambda entry: _ORDER.index(entry.name))),
        brokers=tuple(_broker(broker, told) for broker in sorted(cluster.brokers, key=lambda b: b.broker_id)),
        cluster_policy_principals=tuple(sorted(set(cluster.cluster_policy_principals))),
        server_certificate=ServerCertificate(),
        scram_users=(),
        iam=IamJudgement(),
        client_identity=ClientIdentity(),
        server_properties={k: v for k, v in cluster.server_properties.items() if not k.startswith(_MSKS_OWN)},
        kafka_acls=(),
    )


_MSKS_OWN: Final = ("ssl.", "listener.", "sasl.", "security.")
"""Properties that no configuration of MSK may have."""
_ORDER: Final = tuple(
    f"{name}{of}"
    for of in ("", "_IPV6", "_VPCE")
    for name in ("CLIENT", "CLIENT_SECURE", "CLIENT_SASL_SCRAM", "CLIENT_IAM")
)


def _listener(listener: ClusterListener) -> Any:
    return _with(listener, port=_PORT_OF_CONNECTIONS) if listener.name.endswith("_VPCE") else listener


def _mostly_told(cluster: Cluster) -> list[tuple[str, str, int]]:
    """What brokers advertise by one rule: listener, name behind the id, and port less the id.

    Of several rules the one that most brokers follow is the configuration's; the others are overrides of single ones.
    """
    rules = []
    for listener in dict.fromkeys(told.listener for broker in cluster.brokers for told in broker.advertised_listeners):
        each = [_rule(broker, listener) for broker in cluster.brokers]
        most = max(each.count(rule) for rule in each)
        rules.append(next(rule for rule in each if each.count(rule) == most))
    return [rule for rule in rules if rule is not None]


def _rule(broker: Broker, listener: str) -> tuple[str, str, int] | None:
    label = f"b-{broker.broker_id}."
    for entry in broker.advertised_listeners:
        if entry.listener == listener:
            name = f"b-#.{entry.name[len(label) :]}" if entry.name.startswith(label) else entry.name
            return listener, name, entry.port - broker.broker_id
    return None


def _broker(broker: Broker, told: list[tuple[str, str, int]]) -> Any:
    return _with(
        broker,
        state=BrokerState.RUNNING,
        security_groups=tuple(sorted(broker.security_groups)),
        advertised_listeners=tuple(
            AdvertisedListener(
                listener=listener, name=name.replace("b-#.", f"b-{broker.broker_id}.", 1), port=port + broker.broker_id
            )
            for listener, name, port in told
        ),
    )


def _client(topology: Topology, client: Client) -> Any:
    """A host has one set of groups and one IPv6 address, however many entries it has."""
    host = topology.host_of(client)
    return _with(client, security_groups=host.security_groups, ipv6_address=host.ipv6_address)
