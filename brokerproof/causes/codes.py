"""The closed list of causes a finding may name. Plain words, no logic.

It stands in this room so that the lab, which injects causes, and the diagnosis, which names them,
share one list and neither needs the other.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """One cause, as ``layer.name``. What proves it and what to change is in the catalogue."""

    # names and resolvers
    DNS_RECORD_MISSING = "dns.record_missing"
    DNS_PUBLIC_RECORD_MISSING = "dns.public_record_missing"
    DNS_ZONE_NOT_ASSOCIATED = "dns.zone_not_associated"
    DNS_LOCAL_ZONE_MISSING = "dns.local_zone_missing"
    DNS_MORE_SPECIFIC_ZONE = "dns.more_specific_zone"
    DNS_ZONE_NAME_CONFLICT = "dns.zone_name_conflict"
    DNS_ZONE_SHADOWS_REGION = "dns.zone_shadows_region"
    DNS_WRONG_ENDPOINT = "dns.wrong_endpoint"
    DNS_STALE_RECORD = "dns.stale_record"
    DNS_ZONAL_ALIAS = "dns.zonal_alias"
    DNS_VPC_ATTRIBUTES_OFF = "dns.vpc_attributes_off"
    DNS_RESOLVER_BYPASSED = "dns.resolver_bypassed"
    DNS_RESOLVER_RULE = "dns.resolver_rule"
    DNS_RESOLVER_SILENT = "dns.resolver_silent"
    DNS_RESOLVER_FAILING = "dns.resolver_failing"
    DNS_CNAME_LOOP = "dns.cname_loop"
    DNS_QUERIES_THROTTLED = "dns.queries_throttled"
    DNS_PRIVATE_ANSWERS_FILTERED = "dns.private_answers_filtered"
    DNS_NEGATIVE_ANSWER_CACHED = "dns.negative_answer_cached"
    DNS_IPV6_ANSWER_UNUSABLE = "dns.ipv6_answer_unusable"
    DNS_SERVERLESS_NAME = "dns.serverless_name"
    DNS_NO_VPC_CONNECTION = "dns.no_vpc_connection"
    # routes, peering connections, gateways
    ROUTE_MISSING_CLIENT = "route.missing_client"
    ROUTE_MISSING_RETURN = "route.missing_return"
    ROUTE_MISSING_SUBNET = "route.missing_subnet"
    ROUTE_PEERING_NOT_ACTIVE = "route.peering_not_active"
    ROUTE_PEERING_NOT_TRANSITIVE = "route.peering_not_transitive"
    ROUTE_OVERLAP = "route.overlap"
    ROUTE_GATEWAY_NOT_ASSOCIATED = "route.gateway_not_associated"
    ROUTE_GATEWAY_NOT_PROPAGATED = "route.gateway_not_propagated"
    ROUTE_GATEWAY_BLACKHOLE = "route.gateway_blackhole"
    ROUTE_GATEWAY_STATIC_MISSING = "route.gateway_static_missing"
    ROUTE_GATEWAY_PEERING_PENDING = "route.gateway_peering_pending"
    ROUTE_GATEWAY_ZONE_MISSING = "route.gateway_zone_missing"
    ROUTE_GATEWAY_ASYMMETRIC = "route.gateway_asymmetric"
    # security groups and network ACLs
    SECURITY_BROKER_GROUP = "security.broker_group"
    SECURITY_GROUP_REFERENCE = "security.group_reference"
    SECURITY_CLIENT_GROUP = "security.client_group"
    SECURITY_ENDPOINT_GROUP = "security.endpoint_group"
    SECURITY_ENDPOINT_PORT_RANGE = "security.endpoint_port_range"
    SECURITY_NLB_GROUP = "security.nlb_group"
    SECURITY_NLB_GROUP_EGRESS = "security.nlb_group_egress"
    SECURITY_NETWORK_ACL = "security.network_acl"
    # interface endpoints and endpoint services
    ENDPOINT_NOT_AVAILABLE = "endpoint.not_available"
    ENDPOINT_PRINCIPAL_NOT_ALLOWED = "endpoint.principal_not_allowed"
    ENDPOINT_ZONE_MISMATCH = "endpoint.zone_mismatch"
    # managed VPC connections (MSK multi-VPC)
    CONNECTION_NOT_ACTIVE = "connection.not_active"
    CONNECTION_SCHEME_MISMATCH = "connection.scheme_mismatch"
    CONNECTION_ORDINARY_BOOTSTRAP = "connection.ordinary_bootstrap"
    CONNECTION_UNSUPPORTED = "connection.unsupported"
    # Network Load Balancers
    NLB_LISTENER_MISSING = "nlb.listener_missing"
    NLB_NO_TARGET = "nlb.no_target"
    NLB_WRONG_TARGET = "nlb.wrong_target"
    NLB_STALE_TARGET = "nlb.stale_target"
    NLB_WRONG_TARGET_PORT = "nlb.wrong_target_port"
    NLB_CROSS_ZONE_OFF = "nlb.cross_zone_off"
    NLB_CROSS_ZONE_ON = "nlb.cross_zone_on"
    NLB_TARGETS_UNHEALTHY = "nlb.targets_unhealthy"
    NLB_BOOTSTRAP_TARGET_DEAD = "nlb.bootstrap_target_dead"
    NLB_CLIENT_IP_HAIRPIN = "nlb.client_ip_hairpin"
    NLB_PROXY_PROTOCOL = "nlb.proxy_protocol"
    NLB_IDLE_TIMEOUT = "nlb.idle_timeout"
    NLB_PORTS_EXHAUSTED = "nlb.ports_exhausted"
    NLB_TLS_LISTENER = "nlb.tls_listener"
    # TCP and what is below it
    TCP_CONNECTIONS_EXHAUSTED = "tcp.connections_exhausted"
    TCP_PACKET_LOSS = "tcp.packet_loss"
    TCP_PATH_MTU = "tcp.path_mtu"
    # TLS
    TLS_NAME_NOT_COVERED = "tls.name_not_covered"
    TLS_BOOTSTRAP_BY_ADDRESS = "tls.bootstrap_by_address"
    TLS_CONNECTION_NAME = "tls.connection_name"
    TLS_OTHER_CLUSTER = "tls.other_cluster"
    TLS_UNTRUSTED_AUTHORITY = "tls.untrusted_authority"
    TLS_CHAIN_INCOMPLETE = "tls.chain_incomplete"
    TLS_INSPECTED = "tls.inspected"
    TLS_CERTIFICATE_DATES = "tls.certificate_dates"
    TLS_CLOCK_WRONG = "tls.clock_wrong"
    TLS_PLAINTEXT_LISTENER = "tls.plaintext_listener"
    TLS_PLAINTEXT_CLIENT = "tls.plaintext_client"
    TLS_CLIENT_CERTIFICATE_MISSING = "tls.client_certificate_missing"
    TLS_CLIENT_CERTIFICATE_UNTRUSTED = "tls.client_certificate_untrusted"
    TLS_SNI_REQUIRED = "tls.sni_required"
    TLS_VERSION_MISMATCH = "tls.version_mismatch"
    # who may do what
    AUTH_MECHANISM = "auth.mechanism"
    AUTH_IAM_DENIED = "auth.iam_denied"
    AUTH_CLUSTER_POLICY = "auth.cluster_policy"
    AUTH_CONNECT_RATE = "auth.connect_rate"
    AUTH_IAM_REGION = "auth.iam_region"
    AUTH_STS_UNREACHABLE = "auth.sts_unreachable"
    AUTH_CLOCK_SKEW = "auth.clock_skew"
    AUTH_SCRAM_SECRET = "auth.scram_secret"  # noqa: S105 - a cause, not a secret
    AUTH_TOPIC_DENIED = "auth.topic_denied"
    AUTH_BROKERS_NOT_GRANTED = "auth.brokers_not_granted"
    AUTH_REAUTHENTICATION = "auth.reauthentication"
    # advertised listeners and metadata
    METADATA_ADVERTISED_UNCHANGED = "metadata.advertised_unchanged"
    METADATA_ADVERTISED_PORT = "metadata.advertised_port"
    METADATA_ADVERTISED_NAME = "metadata.advertised_name"
    METADATA_ADVERTISED_SWAPPED = "metadata.advertised_swapped"
    METADATA_LISTENER_DROPPED = "metadata.listener_dropped"
    METADATA_CHANGE_REJECTED = "metadata.change_rejected"
    METADATA_WRONG_LISTENER_CHANGED = "metadata.wrong_listener_changed"
    METADATA_NEW_BROKER = "metadata.new_broker"
    METADATA_OVERRIDE = "metadata.override"
    METADATA_STALE = "metadata.stale"
    # records
    PRODUCE_LEADER_UNREACHABLE = "produce.leader_unreachable"
    PRODUCE_MIN_ISR = "produce.min_isr"
    CONSUME_COORDINATOR_UNREACHABLE = "consume.coordinator_unreachable"
    CONSUME_FOLLOWER_UNREACHABLE = "consume.follower_unreachable"
    # the cluster itself
    CLUSTER_BROKER_DOWN = "cluster.broker_down"
    CLUSTER_BROKER_UNRESPONSIVE = "cluster.broker_unresponsive"
    CLUSTER_CONTROLLER_UNAVAILABLE = "cluster.controller_unavailable"
    CLUSTER_BUSY = "cluster.busy"
    # how fast
    PERFORMANCE_WINDOW = "performance.window"
    PERFORMANCE_EXTRA_HOP = "performance.extra_hop"
    PERFORMANCE_BANDWIDTH = "performance.bandwidth"
    PERFORMANCE_QUOTA = "performance.quota"
    PERFORMANCE_SERVICE_LIMIT = "performance.service_limit"
    PERFORMANCE_SLOW_DNS = "performance.slow_dns"
    PERFORMANCE_CONNECTION_CHURN = "performance.connection_churn"
    # what must not work
    ISOLATION_PORTS_OPEN = "isolation.ports_open"
    ISOLATION_PLAINTEXT_OPEN = "isolation.plaintext_open"
    ISOLATION_UNAPPROVED_CLIENT = "isolation.unapproved_client"
    ISOLATION_ENDPOINT_SERVICE_OPEN = "isolation.endpoint_service_open"
    ISOLATION_SECOND_PATH = "isolation.second_path"
    ISOLATION_ALLOW_EVERYONE = "isolation.allow_everyone"
    ISOLATION_TRACKED_CONNECTIONS = "isolation.tracked_connections"
    # what reads the control plane
    AUDIT_PERMISSION_GAP = "audit.permission_gap"
    AUDIT_BROKERS_MISSED = "audit.brokers_missed"
    # none of the above
    UNKNOWN = "unknown.at_stage"

    @property
    def layer(self) -> str:
        """The word before the dot."""
        return self.value.partition(".")[0]
