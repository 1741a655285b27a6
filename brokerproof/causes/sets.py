"""Causes that clients alone cannot tell apart, as named sets. Plain values, for rules.

A rule builds what it says from these, by joining and by taking away what other clients exclude. What the faults of
the lab expect is no part of it: each states that for itself, or the rules would be measured by themselves.
"""

from __future__ import annotations

from typing import Final

from brokerproof.causes.codes import Code

CodeSet = frozenset[Code]


# Names

ZONE_NOT_USED: Final[CodeSet] = frozenset(
    {Code.DNS_ZONE_NOT_ASSOCIATED, Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_RESOLVER_RULE}
)
"""All names answer with the public records, asked at the VPC's own resolver."""
LOCAL_ZONE_NOT_USED: Final[CodeSet] = ZONE_NOT_USED | {Code.DNS_LOCAL_ZONE_MISSING}
"""The same for a client in the cluster's own VPC, where no other client was heard."""
ZONE_NOT_USED_ELSEWHERE: Final[CodeSet] = frozenset({Code.DNS_ZONE_NOT_ASSOCIATED, Code.DNS_RESOLVER_BYPASSED})
"""The same, asked at another resolver, which may forward or not."""
NO_RECORDS: Final[CodeSet] = frozenset({Code.DNS_RECORD_MISSING, Code.DNS_MORE_SPECIFIC_ZONE})
"""No name of the zone that answers exists: it has no records, or another zone has them."""
NO_ANSWER: Final[CodeSet] = frozenset({Code.DNS_RESOLVER_SILENT, Code.DNS_VPC_ATTRIBUTES_OFF})
"""No question is answered."""
QUESTION_LOST: Final[CodeSet] = frozenset({Code.DNS_QUERIES_THROTTLED, Code.TCP_PACKET_LOSS})
"""A question without an answer, at a resolver that answers others: dropped there, or lost on the way."""
ONE_NAME_UNANSWERED: Final[CodeSet] = QUESTION_LOST | {Code.DNS_RESOLVER_RULE}
"""The same, where it is not known that another question for the same name is answered."""
LOOKED_UP_OTHERWISE: Final[CodeSet] = frozenset(
    {
        Code.HOST_HOSTS_ENTRY,
        Code.HOST_SEARCH_LIST,
        Code.HOST_NAME_SERVICE,
        Code.DNS_RESOLVER_BYPASSED,
        Code.DNS_ANSWERS_ROTATE,
    }
)
"""The operating system has other addresses than the resolver, and its host says no more."""
STRIPPED: Final[CodeSet] = frozenset({Code.DNS_PRIVATE_ANSWERS_FILTERED, Code.DNS_RESOLVER_RULE})
"""NOERROR without an address for a public name, from the VPC's own resolver."""
STRIPPED_ELSEWHERE: Final[CodeSet] = frozenset({Code.DNS_PRIVATE_ANSWERS_FILTERED, Code.DNS_RESOLVER_BYPASSED})
"""The same, from another resolver."""
THESE_NAMES_UNANSWERED: Final[CodeSet] = frozenset({Code.DNS_QUERIES_THROTTLED, Code.DNS_RESOLVER_RULE})
"""No name of the cluster is answered for, and others are."""
RESOLVER_FAILS: Final[CodeSet] = frozenset({Code.DNS_RESOLVER_FAILING, Code.DNS_RESOLVER_RULE})
"""Every question is answered by an error."""
ONE_NAME_FAILS: Final[CodeSet] = RESOLVER_FAILS | {Code.DNS_CNAME_LOOP}
"""One name is answered by an error."""
NAME_UNKNOWN: Final[CodeSet] = frozenset(
    {Code.DNS_PUBLIC_RECORD_MISSING, Code.DNS_RESOLVER_RULE, Code.DNS_RESOLVER_BYPASSED}
)
"""NXDOMAIN for a public name, and not from a private zone."""
NAME_HIDDEN: Final[CodeSet] = frozenset({Code.DNS_MORE_SPECIFIC_ZONE, Code.DNS_RESOLVER_RULE})
"""NXDOMAIN for a public name, from a zone that public DNS does not have."""
NO_ADDRESS: Final[CodeSet] = frozenset({Code.DNS_PRIVATE_ANSWERS_FILTERED, Code.DNS_RECORD_MISSING})
"""NOERROR without an address, where a private zone should answer."""
OWN_ADDRESS: Final[CodeSet] = frozenset({Code.DNS_ZONE_NOT_ASSOCIATED, Code.DNS_STALE_RECORD, Code.DNS_RESOLVER_RULE})
"""Some names have what public DNS says, and others of what should be one private zone are right: the zone is too
narrow, their records say so themselves, or a rule sends them elsewhere."""
STRANGE_ADDRESS: Final[CodeSet] = frozenset({Code.DNS_STALE_RECORD, Code.DNS_RESOLVER_RULE})
"""An address that nothing in the topology has."""
FEWER_ADDRESSES: Final[CodeSet] = frozenset({Code.DNS_ZONAL_ALIAS, Code.ENDPOINT_ZONE_MISMATCH})
"""One address of the endpoint, where there should be one a zone."""
NO_CONNECTION_NAMES: Final[CodeSet] = frozenset(
    {Code.DNS_NO_VPC_CONNECTION, Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_RESOLVER_RULE}
)
"""Names of a managed VPC connection that do not exist for this client."""

OF_NAMES: Final[CodeSet] = frozenset(
    {
        Code.DNS_RECORD_MISSING,
        Code.DNS_ZONE_NOT_ASSOCIATED,
        Code.DNS_LOCAL_ZONE_MISSING,
        Code.DNS_MORE_SPECIFIC_ZONE,
        Code.DNS_WRONG_ENDPOINT,
        Code.DNS_STALE_RECORD,
        Code.DNS_ZONAL_ALIAS,
        Code.DNS_VPC_ATTRIBUTES_OFF,
        Code.DNS_RESOLVER_RULE,
        Code.DNS_RESOLVER_BYPASSED,
        Code.DNS_CNAME_LOOP,
        Code.DNS_NO_VPC_CONNECTION,
        Code.DNS_ZONE_SHADOWS_REGION,
    }
)
"""What an account shows of how a name is resolved: where packets go is not known before that is right."""

# Silence on the way to broker ENIs

AT_THE_BROKERS: Final[CodeSet] = frozenset({Code.SECURITY_BROKER_GROUP, Code.SECURITY_NETWORK_ACL})
"""Also clients inside the cluster VPC are affected, who need no route."""
ONE_CLIENT: Final[CodeSet] = frozenset({Code.SECURITY_CLIENT_GROUP})
"""Possible where one client alone is affected."""
ONE_VPC: Final[CodeSet] = frozenset({Code.ROUTE_MISSING_CLIENT, Code.ROUTE_OVERLAP}) | ONE_CLIENT
"""Possible where one VPC alone is affected."""
BACK_AND_IN: Final[CodeSet] = frozenset({Code.ROUTE_MISSING_RETURN}) | AT_THE_BROKERS
"""Possible wherever clients of other VPCs are affected."""
BY_PEERING: Final[CodeSet] = frozenset({Code.ROUTE_PEERING_NOT_ACTIVE, Code.SECURITY_GROUP_REFERENCE})
BY_GATEWAY: Final[CodeSet] = frozenset(
    {Code.ROUTE_GATEWAY_NOT_ASSOCIATED, Code.ROUTE_GATEWAY_NOT_PROPAGATED, Code.ROUTE_GATEWAY_BLACKHOLE}
)
ATTACHED_ZONE: Final[CodeSet] = frozenset({Code.ROUTE_GATEWAY_ZONE_MISSING})
"""Possible where one VPC alone is affected, and none of its clients in the same zone gets through."""
BETWEEN_GATEWAYS: Final[CodeSet] = frozenset(
    {
        Code.ROUTE_GATEWAY_STATIC_MISSING,
        Code.ROUTE_GATEWAY_PEERING_PENDING,
        Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
        Code.ROUTE_GATEWAY_NOT_PROPAGATED,
    }
)
"""Possible where all clients of another Region are affected, and none of this one."""
ONE_SUBNET: Final[CodeSet] = frozenset({Code.ROUTE_MISSING_SUBNET, Code.ROUTE_OVERLAP}) | AT_THE_BROKERS
"""The brokers of one zone are silent, and not for clients inside the cluster VPC."""
ONE_SUBNET_BY_GATEWAY: Final[CodeSet] = ONE_SUBNET | {
    Code.ROUTE_GATEWAY_BLACKHOLE,
    *ATTACHED_ZONE,
}

# Silence behind a load balancer

AT_THE_NLB: Final[CodeSet] = AT_THE_BROKERS | {
    Code.SECURITY_NLB_GROUP,
    Code.SECURITY_NLB_GROUP_EGRESS,
    Code.NLB_PORTS_EXHAUSTED,
}
"""Everything behind the NLB is silent, for clients at its own nodes as well."""
AT_THE_ENDPOINT: Final[CodeSet] = frozenset({Code.ENDPOINT_NOT_AVAILABLE, Code.SECURITY_ENDPOINT_GROUP})
AT_THE_CONNECTION: Final[CodeSet] = frozenset({Code.CONNECTION_NOT_ACTIVE, Code.SECURITY_ENDPOINT_GROUP})
"""The same for a managed VPC connection."""
ONE_ENDPOINT_VPC: Final[CodeSet] = AT_THE_ENDPOINT | {Code.SECURITY_NLB_GROUP, Code.SECURITY_NETWORK_ACL}
"""Every client of one endpoint VPC, and none of another."""
ACCESS: Final[CodeSet] = frozenset(
    {Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_NLB_GROUP, Code.SECURITY_NETWORK_ACL, Code.ROUTE_MISSING_RETURN}
)
"""Clients of other VPCs than the endpoint's, and none of its own."""
ONE_HOST: Final[CodeSet] = frozenset(
    {
        Code.SECURITY_CLIENT_GROUP,
        Code.SECURITY_ENDPOINT_GROUP,
        Code.SECURITY_NLB_GROUP,
        Code.SECURITY_NETWORK_ACL,
    }
)
"""A client in the endpoint's VPC, while others use the same endpoint."""
ONE_BROKER_SILENT: Final[CodeSet] = frozenset(
    {
        Code.NLB_LISTENER_MISSING,
        Code.NLB_NO_TARGET,
        Code.NLB_STALE_TARGET,
        Code.NLB_WRONG_TARGET_PORT,
        Code.SECURITY_NLB_GROUP,
    }
    | AT_THE_BROKERS
)
"""One broker's port is silent for everybody behind the load balancer."""
ONE_BROKER_REFUSED: Final[CodeSet] = frozenset(
    {Code.CLUSTER_BROKER_DOWN, Code.NLB_LISTENER_MISSING, Code.NLB_NO_TARGET, Code.NLB_WRONG_TARGET_PORT}
)
EVERY_BROKER_REFUSED: Final[CodeSet] = ONE_BROKER_REFUSED | {Code.LISTENER_NOT_ENABLED}
"""Every broker's port refuses behind a load balancer."""
SCHEME_OFF: Final[CodeSet] = frozenset({Code.LISTENER_NOT_ENABLED, Code.METADATA_LISTENER_DROPPED})
"""A managed connection's port of a broker refuses, though MSK runs the load balancer."""
OWN_ZONE_ALONE: Final[CodeSet] = frozenset({Code.NLB_CROSS_ZONE_OFF, Code.SECURITY_NETWORK_ACL})
"""Behind a load balancer only what stays in the broker's zone answers; the rest is silent."""
ONE_PORT: Final[CodeSet] = frozenset({Code.SECURITY_ENDPOINT_PORT_RANGE, Code.SECURITY_NETWORK_ACL})
"""One broker's port is silent, where the endpoint may be to blame."""
NLB_OWN: Final[CodeSet] = frozenset(
    {
        Code.NLB_LISTENER_MISSING,
        Code.NLB_NO_TARGET,
        Code.NLB_STALE_TARGET,
        Code.NLB_WRONG_TARGET_PORT,
        Code.NLB_PORTS_EXHAUSTED,
        Code.SECURITY_NLB_GROUP,
        Code.SECURITY_NLB_GROUP_EGRESS,
    }
)
"""Impossible where MSK runs the load balancer itself."""
ONE_ZONE: Final[CodeSet] = frozenset({Code.SECURITY_NETWORK_ACL, Code.ROUTE_MISSING_SUBNET})
"""The addresses of one zone are silent, whichever broker they are for."""
NOW_AND_THEN: Final[CodeSet] = frozenset({Code.TCP_PACKET_LOSS, Code.TCP_CONNECTIONS_EXHAUSTED})
"""Failures without a pattern of broker, zone or port."""
NOBODY_LISTENS: Final[CodeSet] = frozenset({Code.LISTENER_NOT_ENABLED, Code.CLUSTER_BROKER_DOWN})
"""A broker's own host refuses its port, and nothing tells whether the broker runs."""
OVER: Final[CodeSet] = NOW_AND_THEN | {Code.TRANSIENT_OVER}
"""It failed in the first look and not in the second, and what was seen may have been chance."""
LATE_OR_LOST: Final[CodeSet] = frozenset({Code.PERFORMANCE_SLOW_ANSWERS, Code.TCP_PACKET_LOSS})
"""Most answers come late, and some not in time, for a client whose packets are sent again."""
OVER_ON_A_CONNECTION: Final[CodeSet] = frozenset({Code.TRANSIENT_OVER, Code.TCP_PACKET_LOSS})
"""The same on a connection that stood: nothing was short of connections then."""
PARTLY_REFUSED_DIRECT: Final[CodeSet] = frozenset({Code.CLUSTER_BROKER_DOWN, Code.TRANSIENT_OVER})
"""The same at the broker's own interface: it stops, starts, or is short of something."""
PARTLY_REFUSED: Final[CodeSet] = frozenset(
    {Code.CLUSTER_BROKER_DOWN, Code.NLB_WRONG_TARGET_PORT, Code.NLB_STALE_TARGET}
)
"""Of several connections to one listener some are refused: what is lost is silent, so one of the targets refuses."""

# TLS and after

SAYS_NOTHING: Final[CodeSet] = frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PATH_MTU})
"""Accepted, and not one byte comes back."""
SAYS_NOTHING_TO_ANYBODY: Final[CodeSet] = SAYS_NOTHING | {Code.TCP_NOT_KAFKA}
"""The same, and no client has spoken with the cluster."""
SAYS_NOTHING_HERE: Final[CodeSet] = SAYS_NOTHING | {
    Code.TCP_PACKET_LOSS,
    Code.TCP_PATH_MEMBER,
    Code.TCP_CUT_ON_THE_WAY,
}
"""The same at some brokers of a client, while others get answers from them."""
SAYS_NOTHING_TO_ONE: Final[CodeSet] = frozenset({Code.TCP_PATH_MTU, Code.TCP_CUT_ON_THE_WAY})
"""The same at every broker of a client, while others get answers from them."""
NOT_TAKEN: Final[CodeSet] = frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS, Code.TCP_PATH_MEMBER})
"""Accepted, and not even the TCP of the host takes the first small packet."""
LARGE_NOT_TAKEN: Final[CodeSet] = NOT_TAKEN | {Code.TCP_PATH_MTU}
"""Small requests were answered, and large ones are never acknowledged."""
STOPS_ANSWERING: Final[CodeSet] = frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS})
"""Small requests were answered, and a larger one that arrived was not."""
ENDED_HERE: Final[CodeSet] = frozenset({Code.TCP_CUT_ON_THE_WAY, Code.CLUSTER_CONNECTION_LIMIT})
"""Accepted, and ended on the first bytes, at some addresses or for some clients; others speak with the broker."""
CLOSED_AT_ONCE: Final[CodeSet] = ENDED_HERE | {Code.TLS_PLAINTEXT_LISTENER, Code.TCP_NOT_KAFKA}
"""The same, where nobody speaks with it."""
CLOSED_AT_ONCE_BEHIND: Final[CodeSet] = CLOSED_AT_ONCE | {Code.NLB_PROXY_PROTOCOL, Code.NLB_WRONG_TARGET_PORT}
"""The same behind a load balancer."""
NOT_TLS: Final[CodeSet] = frozenset({Code.TCP_NOT_KAFKA, Code.TLS_PLAINTEXT_LISTENER})
"""Something answers that is no TLS, and no other protocol that is known by its first bytes."""
NOT_TLS_BEHIND: Final[CodeSet] = NOT_TLS | {Code.NLB_WRONG_TARGET_PORT}
"""The same behind a load balancer."""
NOT_KAFKA: Final[CodeSet] = frozenset({Code.TLS_PLAINTEXT_CLIENT, Code.TCP_NOT_KAFKA})
"""Something answers a request without TLS, and it is not known what it said."""
PLAINTEXT_ENDED: Final[CodeSet] = ENDED_HERE | {Code.TLS_PLAINTEXT_CLIENT, Code.TCP_NOT_KAFKA}
"""A request without TLS is ended without a word."""
ENDED_AFTER_HANDSHAKE: Final[CodeSet] = frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_CUT_ON_THE_WAY})
"""The handshake is the brokers' own, and the first request is ended without a word."""
ENDED_WITHOUT_CERTIFICATE: Final[CodeSet] = ENDED_AFTER_HANDSHAKE | {Code.TLS_CLIENT_CERTIFICATE_MISSING}
"""The same to a client that was asked for a certificate and has none, and no alert says that it must."""
SPEAKS_TLS_ALONE: Final[CodeSet] = frozenset({Code.TCP_NOT_KAFKA, Code.TLS_INSPECTED})
"""The handshake is good, and what is behind it does not speak Kafka."""
INTERNAL_ERROR: Final[CodeSet] = frozenset({Code.TLS_LISTENER_FAILING, Code.TLS_INSPECTED})
"""Alert internal_error, to whomever it says it."""
INTERNAL_ERROR_BEHIND: Final[CodeSet] = INTERNAL_ERROR | {Code.NLB_PROXY_PROTOCOL}
"""The same behind a load balancer."""
HANDSHAKE_FAILURE: Final[CodeSet] = frozenset(
    {Code.TLS_VERSION_MISMATCH, Code.TLS_SNI_REQUIRED, Code.TLS_LISTENER_FAILING}
)
"""Alert handshake_failure, which says that no set of parameters was acceptable, and not which (RFC 8446, 6.2)."""
HANDSHAKE_FAILURE_HERE: Final[CodeSet] = frozenset(
    {Code.TLS_VERSION_MISMATCH, Code.TLS_SNI_REQUIRED, Code.TLS_INSPECTED}
)
"""The same for some clients, while others are content with the broker."""
REFUSED_IN_TLS: Final[CodeSet] = HANDSHAKE_FAILURE | HANDSHAKE_FAILURE_HERE | {Code.TLS_CLIENT_CERTIFICATE_MISSING}
"""The handshake ends with an alert, or with what is no handshake, and nothing says why."""
TWO_CERTIFICATES: Final[CodeSet] = frozenset({Code.TLS_INSPECTED, Code.TLS_CERTIFICATE_RENEWED})
"""One broker or cluster shows two certificates, each of them trusted and of the right name."""
UNTRUSTED: Final[CodeSet] = frozenset({Code.TLS_UNTRUSTED_AUTHORITY, Code.TLS_CHAIN_INCOMPLETE})
"""All clients see the same certificate, and its issuer is unknown to them."""
UNTRUSTED_HERE: Final[CodeSet] = UNTRUSTED | {Code.TLS_INSPECTED}
"""The same, where no other client tells whether the path changes the certificate."""
OTHER_NAMES: Final[CodeSet] = frozenset({Code.TLS_NAME_NOT_COVERED, Code.TLS_INSPECTED})
OTHER_NAMES_BEHIND: Final[CodeSet] = OTHER_NAMES | {Code.NLB_TLS_LISTENER}
EXPIRED: Final[CodeSet] = frozenset({Code.TLS_CERTIFICATE_DATES, Code.TLS_CLOCK_WRONG})
"""One client alone finds the dates over, and no other says whether its clock is right."""
NOT_YET_VALID: Final[CodeSet] = frozenset({Code.TLS_CERTIFICATE_NOT_YET_VALID, Code.TLS_CLOCK_WRONG})
"""The same of dates to come."""
ONE_BOOTSTRAP_TARGET: Final[CodeSet] = frozenset(
    {
        Code.NLB_BOOTSTRAP_TARGET_DEAD,
        Code.NLB_WRONG_TARGET_PORT,
        Code.TCP_NOT_KAFKA,
        Code.TCP_CUT_ON_THE_WAY,
        Code.CLUSTER_CONNECTION_LIMIT,
    }
)
"""Some connections to the bootstrap port end in the handshake, the others are well."""
BOOTSTRAP_SILENT: Final[CodeSet] = frozenset(
    {Code.NLB_BOOTSTRAP_TARGET_DEAD, Code.NLB_WRONG_TARGET_PORT, Code.TCP_NOT_KAFKA}
)
"""Every connection to the bootstrap port is accepted and then silent, and brokers speak at ports of their own."""
ONE_BOOTSTRAP_SILENT: Final[CodeSet] = frozenset(
    {Code.NLB_BOOTSTRAP_TARGET_DEAD, Code.TCP_PACKET_LOSS, Code.TCP_PATH_MEMBER}
)
"""Some connections of one client to the bootstrap port are silent, the others are well."""

# Records and groups

GONE_MEANWHILE: Final[CodeSet] = frozenset({Code.CLUSTER_BROKER_DOWN, Code.CLUSTER_BROKER_UNRESPONSIVE})
"""After a silence, neither the old connection nor a new one is answered."""
NO_CONTROLLER: Final[CodeSet] = frozenset({Code.CLUSTER_CONTROLLER_UNAVAILABLE, Code.CLUSTER_BROKER_CUT_OFF})
"""One broker says that it waited in vain for the controller."""
NO_TOPIC_ANSWER: Final[CodeSet] = NO_CONTROLLER | {Code.CLUSTER_BROKER_UNRESPONSIVE}
"""One broker does not answer whether it makes a topic."""
REPLICAS_REFUSED: Final[CodeSet] = frozenset({Code.PRODUCE_TOPIC_REFUSED, Code.CLUSTER_BROKER_DOWN})
"""The cluster has no such replicas: by a rule, or because a broker that was there has gone."""
LEFT_OUT: Final[CodeSet] = frozenset({Code.CLUSTER_BROKER_CUT_OFF, Code.CLUSTER_BROKER_DOWN})
"""A broker answers for itself, and the others leave it out: cut off, or about to stop."""
NOT_LISTED: Final[CodeSet] = LEFT_OUT | {Code.METADATA_LISTENER_DROPPED}
"""A broker answers for itself, and nobody lists it."""
NOT_ACKNOWLEDGED: Final[CodeSet] = frozenset(
    {Code.PRODUCE_LEADER_UNREACHABLE, Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS}
)
"""Records to or from a leader get no answer, and everything before them did."""
COORDINATOR_SILENT: Final[CodeSet] = frozenset({Code.CONSUME_COORDINATOR_UNREACHABLE, Code.CLUSTER_BROKER_UNRESPONSIVE})
"""A group's coordinator is asked, and answers nothing."""
FORGOTTEN: Final[CodeSet] = frozenset({Code.TCP_TRACKING_TIMEOUT, Code.TCP_DEVICE_TIMEOUT})
"""A connection did not outlive a silence, and no load balancer is to blame."""
FORGOTTEN_BEHIND: Final[CodeSet] = FORGOTTEN | {Code.NLB_IDLE_TIMEOUT}
"""The same behind a load balancer."""

# Who the client is

SCRAM_REFUSED: Final[CodeSet] = frozenset({Code.AUTH_SCRAM_SECRET, Code.AUTH_SCRAM_PASSWORD})
"""Kafka answers an unknown user and a wrong password with the same code and words, at different messages."""
OTHER_LISTENER_BEHIND: Final[CodeSet] = frozenset({Code.AUTH_MECHANISM, Code.NLB_WRONG_TARGET_PORT})
"""A listener of another mechanism answers behind a load balancer."""
CLIENT_AUTHORITY_NOT_NAMED: Final[CodeSet] = frozenset(
    {Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED, Code.TLS_CLIENT_CHAIN_INCOMPLETE}
)
"""The client has its certificate alone, and none of the authorities that the listener names issued that."""
CLIENT_CERTIFICATE_REFUSED: Final[CodeSet] = CLIENT_AUTHORITY_NOT_NAMED | {Code.TLS_CLIENT_CERTIFICATE_DATES}
"""The client's certificate is refused, and nothing that the client knows of it explains that."""
IAM_REFUSED: Final[CodeSet] = frozenset(
    {Code.AUTH_IAM_DENIED, Code.AUTH_IAM_KEY, Code.AUTH_IAM_SECRET, Code.AUTH_CLOCK_SKEW}
)
"""Access denied, to a token in which the client knows no flaw, and STS says nothing of who signed it."""
SIGNATURE_REFUSED: Final[CodeSet] = frozenset({Code.AUTH_IAM_SECRET, Code.AUTH_CLOCK_SKEW})
"""Access denied, and STS takes the signature of the same credentials for none."""
DENIED_OR_SKEW: Final[CodeSet] = frozenset({Code.AUTH_IAM_DENIED, Code.AUTH_CLOCK_SKEW})
"""Access denied, and STS takes the signature, by a clock that may be too far off for MSK."""
