"""Bent runs and the causes they must end in: exactly these, for all clients together."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes import sets
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Answer
from brokerproof.probes.outcome import (
    ApiFacts,
    GroupFacts,
    HandshakeFacts,
    IdentityFacts,
    IdleFacts,
    PathSizeFacts,
    Reason,
    Role,
    Stage,
    TcpInfo,
    TopicFacts,
)
from tests.diagnosis.bends import (
    AT_ENDPOINT_B,
    DIRECT,
    EVERYONE,
    GATEWAY,
    IN_VPC,
    MANAGED,
    MULTI,
    NO_NAME,
    OUTSIDE,
    PEERING,
    REFUSED,
    SILENT,
    SINGLE,
    SOA,
    Named,
    advertise,
    handshake,
    in_zone,
    named,
    one,
    outside_own_zone,
    resolver,
    unlisted,
)
from tests.diagnosis.bent import Bend, answers, at, diagnosis_of, failed, views_of
from tests.diagnosis.perfect import outcome

_NOTHING_AT_ALL = one(Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PATH_MTU, Code.TCP_NOT_KAFKA)
_SOMETHING_ON_THE_WAY = one(Code.TCP_PATH_MTU, Code.TCP_PACKET_LOSS, Code.TCP_PATH_MEMBER, Code.TCP_CUT_ON_THE_WAY)
_REFUSED_IN_TLS = one(
    Code.TLS_VERSION_MISMATCH,
    Code.TLS_SNI_REQUIRED,
    Code.TLS_LISTENER_FAILING,
    Code.TLS_INSPECTED,
    Code.TLS_CLIENT_CERTIFICATE_MISSING,
)
_UNREADABLE = TcpInfo(data_segments_in=1, bytes_in_order=0, out_of_order_segments=1)
_BEGUN = TcpInfo(data_segments_in=1, bytes_in_order=90, out_of_order_segments=0)

CASES: list[tuple[str, str, list[Bend], Named]] = [
    # names
    (
        "record missing",
        SINGLE,
        [Bend(at(Stage.RESOLVE, brokers=[2], clients=["account_b", "overlapping"]), NO_NAME)],
        [(one(Code.DNS_RECORD_MISSING), {"account_b", "overlapping"}, {2})],
    ),
    (
        "more specific zone",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[1]), resolver(Reason.NXDOMAIN, soa=f"b-1.{SOA}"))],
        [(one(Code.DNS_MORE_SPECIFIC_ZONE), {"account_b"}, {1})],
    ),
    (
        "name unknown to public dns from one VPC",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients=["peered"]), resolver(Reason.NXDOMAIN, soa="."))],
        [(one(Code.DNS_RESOLVER_RULE), {"peered"}, {1, 2, 3})],
    ),
    (
        "resolver silent",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients=["peered"]), resolver(Reason.TIMED_OUT, rcode=""))],
        [(sets.NO_ANSWER, {"peered"}, {1, 2, 3})],
    ),
    (
        "no name of the cluster is answered for, and others are",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[1, 2, 3]), resolver(Reason.TIMED_OUT, rcode=""))],
        [(sets.THESE_NAMES_UNANSWERED, {"account_b"}, {1, 2, 3})],
    ),
    (
        "some questions unanswered",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients=["peered"], brokers=[1, 3]), resolver(Reason.TIMED_OUT, rcode=""))],
        [(one(Code.DNS_QUERIES_THROTTLED, Code.TCP_PACKET_LOSS, Code.DNS_RESOLVER_RULE), {"peered"}, {1, 3})],
    ),
    (
        "another resolver silent",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients=["peered"]), resolver(Reason.TIMED_OUT, rcode="", resolver="10.1.0.53"))],
        [(one(Code.DNS_RESOLVER_SILENT), {"peered"}, {1, 2, 3})],
    ),
    (
        "servfail for all",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients=["peered"]), resolver(Reason.SERVFAIL, rcode="SERVFAIL"))],
        [(sets.RESOLVER_FAILS, {"peered"}, {1, 2, 3})],
    ),
    (
        "cname loop",
        SINGLE,
        [
            Bend(
                at(Stage.RESOLVE, clients=["account_b"], brokers=[2]),
                resolver(Reason.SERVFAIL, cname_chain=("x.", "y.", "x.")),
            )
        ],
        [(one(Code.DNS_CNAME_LOOP), {"account_b"}, {2})],
    ),
    (
        "private answers filtered",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients=["peered"]), resolver(Reason.NO_DATA, rcode="NOERROR"))],
        [(one(Code.DNS_PRIVATE_ANSWERS_FILTERED, Code.DNS_RESOLVER_RULE), {"peered"}, {1, 2, 3})],
    ),
    (
        "the system resolves otherwise",
        IN_VPC,
        [Bend(at(Stage.RESOLVE), resolver(Reason.OS_ANSWER_DIFFERS))],
        [(sets.LOOKED_UP_OTHERWISE, {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "other broker's endpoint",
        MULTI,
        [Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[1]), answers("10.1.0.151"))],
        [(one(Code.DNS_WRONG_ENDPOINT), {"account_b"}, {1})],
    ),
    (
        "stale record",
        MULTI,
        [Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[1]), answers("10.1.0.77"))],
        [(one(Code.DNS_STALE_RECORD), {"account_b"}, {1})],
    ),
    (
        "zonal alias of one name",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[1]), answers("10.1.0.150"))],
        [(one(Code.DNS_ZONAL_ALIAS), {"account_b"}, {1})],
    ),
    (
        "one address of an own endpoint",
        MULTI,
        [Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[1]), answers("10.1.0.150"))],
        [(sets.FEWER_ADDRESSES, {"account_b"}, {1})],
    ),
    (
        "a zone of the endpoint is missing",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients=["account_b"]), answers("10.1.0.150", "10.1.16.150"))],
        [(one(Code.ENDPOINT_ZONE_MISMATCH), {"account_b"}, {1, 2, 3})],
    ),
    # the way to the ENIs
    (
        "brokers closed",
        PEERING,
        [Bend(at(Stage.CONNECT), SILENT)],
        [(sets.AT_THE_BROKERS, DIRECT, {1, 2, 3})],
    ),
    (
        "one broker closed",
        PEERING,
        [Bend(at(Stage.CONNECT, brokers=[2]), SILENT)],
        [(sets.AT_THE_BROKERS, DIRECT, {2})],
    ),
    (
        "one peered VPC",
        PEERING,
        [Bend(at(Stage.CONNECT, clients=["peered"]), SILENT)],
        [(sets.BACK_AND_IN | sets.ONE_VPC | sets.BY_PEERING, {"peered"}, {1, 2, 3})],
    ),
    (
        "every peered VPC",
        PEERING,
        [Bend(at(Stage.CONNECT, clients=["peered", "remote_by_peering"]), SILENT)],
        [(sets.BACK_AND_IN | sets.BY_PEERING, {"peered", "remote_by_peering"}, {1, 2, 3})],
    ),
    (
        "one broker from other VPCs",
        PEERING,
        [Bend(at(Stage.CONNECT, clients=["peered", "remote_by_peering"], brokers=[2]), SILENT)],
        [(sets.ONE_SUBNET, {"peered", "remote_by_peering"}, {2})],
    ),
    (
        "one VPC at the gateway",
        GATEWAY,
        [Bend(at(Stage.CONNECT, clients=["by_gateway"]), SILENT)],
        [(sets.BACK_AND_IN | sets.ONE_VPC | sets.BY_GATEWAY | sets.ATTACHED_ZONE, {"by_gateway"}, {1, 2, 3})],
    ),
    (
        "the other Region's gateway",
        GATEWAY,
        [Bend(at(Stage.CONNECT, clients=["remote_by_gateway", "remote_by_gateway_2"]), SILENT)],
        [(sets.BACK_AND_IN | sets.BETWEEN_GATEWAYS, {"remote_by_gateway", "remote_by_gateway_2"}, {1, 2, 3})],
    ),
    (
        "one broker refuses",
        PEERING,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)],
        [(one(Code.CLUSTER_BROKER_DOWN), DIRECT, {2})],
    ),
    (
        "one broker refuses, and no metadata has it",
        PEERING,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED), unlisted(2)],
        [(one(Code.CLUSTER_BROKER_DOWN), DIRECT, {2})],
    ),
    (
        "every broker refuses",
        PEERING,
        [Bend(at(Stage.CONNECT), REFUSED)],
        [(one(Code.CLUSTER_BROKER_DOWN, Code.LISTENER_NOT_ENABLED), DIRECT, {1, 2, 3})],
    ),
    # behind load balancers
    (
        "one broker refuses behind NLB, listed",
        SINGLE,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)],
        [(sets.ONE_BROKER_REFUSED, EVERYONE, {2})],
    ),
    (
        "a broker down, seen at its ENI too",
        MULTI,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)],
        [(one(Code.CLUSTER_BROKER_DOWN), EVERYONE, {2})],
    ),
    (
        "a broker down, seen at its ENI too, and no metadata has it",
        MULTI,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED), unlisted(2)],
        [(one(Code.CLUSTER_BROKER_DOWN), EVERYONE, {2})],
    ),
    (
        "every broker refuses behind NLB",
        SINGLE,
        [Bend(at(Stage.CONNECT), REFUSED)],
        [
            (
                one(
                    Code.CLUSTER_BROKER_DOWN,
                    Code.LISTENER_NOT_ENABLED,
                    Code.NLB_LISTENER_MISSING,
                    Code.NLB_NO_TARGET,
                    Code.NLB_WRONG_TARGET_PORT,
                ),
                EVERYONE,
                {1, 2, 3},
            )
        ],
    ),
    (
        "the NLB closed",
        SINGLE,
        [Bend(at(Stage.CONNECT), SILENT)],
        [(sets.AT_THE_NLB, EVERYONE, {1, 2, 3})],
    ),
    (
        "endpoints closed",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=OUTSIDE), SILENT)],
        [(sets.AT_THE_ENDPOINT | {Code.SECURITY_NLB_GROUP}, OUTSIDE, {1, 2, 3})],
    ),
    (
        "one VPC's endpoints closed",
        MULTI,
        [Bend(at(Stage.CONNECT, clients=AT_ENDPOINT_B), SILENT)],
        [(sets.ONE_ENDPOINT_VPC, AT_ENDPOINT_B, {1, 2, 3})],
    ),
    (
        "remote VPC by peering",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=["remote_by_peering"]), SILENT)],
        [(sets.ACCESS | sets.ONE_VPC | sets.BY_PEERING, {"remote_by_peering"}, {1, 2, 3})],
    ),
    (
        "remote VPC by gateway",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=["remote_by_gateway"]), SILENT)],
        [
            (
                sets.ACCESS | sets.ONE_VPC | sets.BY_GATEWAY | sets.BETWEEN_GATEWAYS | sets.ATTACHED_ZONE,
                {"remote_by_gateway"},
                {1, 2, 3},
            )
        ],
    ),
    (
        "remote VPCs by peering and by gateway: what joins one of them explains not the other",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=["remote_by_peering", "remote_by_gateway"]), SILENT)],
        [
            (
                one(
                    Code.SECURITY_ENDPOINT_GROUP,
                    Code.SECURITY_NLB_GROUP,
                    Code.SECURITY_NETWORK_ACL,
                    Code.ROUTE_MISSING_RETURN,
                ),
                {"remote_by_peering", "remote_by_gateway"},
                {1, 2, 3},
            )
        ],
    ),
    (
        "one zone's addresses, for clients that need a route to them and one that needs none",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=AT_ENDPOINT_B, where=in_zone("use1-az2")), SILENT)],
        [(one(Code.SECURITY_NETWORK_ACL), AT_ENDPOINT_B, {1, 2, 3})],
    ),
    (
        "the bootstrap listener alone: the brokers behind it admit the NLB at their own",
        SINGLE,
        [Bend(at(Stage.CONNECT, where=lambda _v, o: o.target.role is Role.BOOTSTRAP), SILENT)],
        [
            (
                one(
                    Code.NLB_LISTENER_MISSING,
                    Code.NLB_NO_TARGET,
                    Code.NLB_STALE_TARGET,
                    Code.NLB_WRONG_TARGET_PORT,
                    Code.SECURITY_NLB_GROUP,
                    Code.SECURITY_NETWORK_ACL,
                ),
                EVERYONE,
                set(),
            )
        ],
    ),
    (
        "one host of the endpoint's VPC",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=["account_b"]), SILENT)],
        [(sets.ONE_HOST, {"account_b"}, {1, 2, 3})],
    ),
    (
        "one port at the endpoints",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=OUTSIDE, brokers=[3]), SILENT)],
        [(sets.ONE_PORT | {Code.SECURITY_NLB_GROUP}, OUTSIDE, {3})],
    ),
    (
        "one listener",
        SINGLE,
        [Bend(at(Stage.CONNECT, brokers=[3]), SILENT)],
        [(sets.ONE_BROKER_SILENT, EVERYONE, {3})],
    ),
    (
        "cross-zone off",
        SINGLE,
        [Bend(at(Stage.CONNECT, where=outside_own_zone), REFUSED)],
        [(one(Code.NLB_CROSS_ZONE_OFF), EVERYONE, {1, 2, 3})],
    ),
    (
        "silence between zones",
        SINGLE,
        [Bend(at(Stage.CONNECT, where=outside_own_zone), SILENT)],
        [(one(Code.NLB_CROSS_ZONE_OFF, Code.SECURITY_NETWORK_ACL), EVERYONE, {1, 2, 3})],
    ),
    (
        "one zone of one endpoint VPC",
        MULTI,
        [Bend(at(Stage.CONNECT, clients=["account_b"], where=in_zone("use1-az2")), SILENT)],
        [(one(Code.SECURITY_NETWORK_ACL), {"account_b"}, {1, 2, 3})],
    ),
    (
        "a managed connection",
        MANAGED,
        [Bend(at(Stage.CONNECT, clients=["account_b"]), SILENT)],
        [(sets.AT_THE_CONNECTION | sets.ONE_CLIENT | {Code.SECURITY_NETWORK_ACL}, {"account_b"}, {1, 2, 3})],
    ),
    (
        "another broker behind the port",
        SINGLE,
        [Bend(at(Stage.IDENTITY, brokers=[2]), failed(Reason.OTHER_BROKER, IdentityFacts(answered_by=3)))],
        [(one(Code.NLB_WRONG_TARGET), EVERYONE, {2})],
    ),
    (
        "connections are forgotten behind the load balancer",
        SINGLE,
        [
            Bend(
                at(Stage.IDLE, clients=["account_b"], brokers=[1, 2]),
                failed(Reason.RESET, IdleFacts(silent_ms=1, asked=True)),
            )
        ],
        [(one(Code.TCP_TRACKING_TIMEOUT, Code.TCP_DEVICE_TIMEOUT), {"account_b"}, {1, 2})],
    ),
    (
        "a zone of the whole Region's MSK domain",
        SINGLE,
        [
            Bend(
                at(Stage.RESOLVE, where=lambda _v, o: o.target.role is Role.OTHER),
                resolver(Reason.NO_DATA, soa="kafka.us-east-1.amazonaws.com"),
            )
        ],
        [(one(Code.DNS_ZONE_SHADOWS_REGION), EVERYONE, set())],
    ),
    # TLS
    (
        "frozen broker",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, brokers=[2]), handshake(Reason.TIMED_OUT, problems=()))],
        [(one(Code.CLUSTER_BROKER_UNRESPONSIVE), DIRECT, {2})],
    ),
    (
        "large packets vanish from one VPC",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, clients=["peered"]), handshake(Reason.TIMED_OUT, problems=()))],
        [(one(Code.TCP_PATH_MTU, Code.TCP_CUT_ON_THE_WAY), {"peered"}, {1, 2, 3})],
    ),
    (
        "nothing comes back, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=()))],
        [(_NOTHING_AT_ALL, {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "large requests vanish after the handshake",
        SINGLE,
        [
            Bend(
                at(Stage.PATH_SIZE, clients=["account_b"]),
                failed(
                    Reason.TIMED_OUT,
                    PathSizeFacts(
                        to_broker_passed_bytes=8500,
                        to_broker_stopped_bytes=9001,
                        sent_again_segments=3,
                        tcp=TcpInfo(unacknowledged_segments=2, selectively_acknowledged_segments=1),
                    ),
                ),
            )
        ],
        [(one(Code.TCP_PATH_MTU), {"account_b"}, {1, 2, 3})],
    ),
    (
        "large answers vanish after the handshake",
        SINGLE,
        [
            Bend(
                at(Stage.PATH_SIZE, clients=["account_b"]),
                failed(
                    Reason.TIMED_OUT,
                    PathSizeFacts(to_client_passed_bytes=90, to_client_stopped_bytes=9001, unreadable_segments=1),
                ),
            )
        ],
        [(one(Code.TCP_PATH_MTU), {"account_b"}, {1, 2, 3})],
    ),
    (
        "a large request arrives and is not answered",
        PEERING,
        [
            Bend(
                at(Stage.PATH_SIZE, clients=["peered"], brokers=[2]),
                failed(Reason.TIMED_OUT, PathSizeFacts(to_broker_stopped_bytes=1500, tcp=TcpInfo())),
            )
        ],
        [(sets.STOPS_ANSWERING, {"peered"}, {2})],
    ),
    (
        "the ClientHello does not arrive, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=(), tcp=TcpInfo(unacknowledged_segments=1)))],
        [
            (
                one(Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS, Code.TCP_PATH_MEMBER),
                {"cluster_vpc"},
                {1, 2, 3},
            )
        ],
    ),
    (
        "only the end of the answer arrives, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=(), tcp=_UNREADABLE))],
        [(one(Code.TCP_PATH_MTU), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "the ClientHello is taken and not answered, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=(), tcp=TcpInfo(data_segments_in=0)))],
        [(_NOTHING_AT_ALL, {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "the answer begins and does not end, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=(), bytes_received=90, tcp=_BEGUN))],
        [(_SOMETHING_ON_THE_WAY | {Code.CLUSTER_BROKER_UNRESPONSIVE}, {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "the beginning and the end of the answer arrive, and nothing between",
        IN_VPC,
        [
            Bend(
                at(Stage.HANDSHAKE),
                handshake(
                    Reason.TIMED_OUT,
                    problems=(),
                    bytes_received=90,
                    tcp=msgspec.structs.replace(_BEGUN, out_of_order_segments=1),
                ),
            )
        ],
        [(one(Code.TCP_PATH_MTU), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "another cluster's certificate",
        IN_VPC,
        [
            Bend(
                at(Stage.HANDSHAKE),
                handshake(Reason.NAME_MISMATCH, dns_names=("*.other.z9y8x7.c2.kafka.us-east-1.amazonaws.com",)),
            )
        ],
        [(one(Code.TLS_OTHER_CLUSTER), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "the ordinary wildcard",
        MANAGED,
        [
            Bend(
                at(Stage.HANDSHAKE, clients=["account_b", "overlapping"]),
                handshake(Reason.NAME_MISMATCH, dns_names=("*.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com",)),
            )
        ],
        [(one(Code.TLS_CONNECTION_NAME), {"account_b", "overlapping"}, {1, 2, 3})],
    ),
    (
        "expired for everybody",
        PEERING,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CERTIFICATE_EXPIRED))],
        [(one(Code.TLS_CERTIFICATE_DATES), DIRECT, {1, 2, 3})],
    ),
    (
        "expired for the one client there is",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CERTIFICATE_EXPIRED))],
        [(one(Code.TLS_CERTIFICATE_DATES, Code.TLS_CLOCK_WRONG), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "not yet valid for everybody",
        PEERING,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CERTIFICATE_NOT_YET_VALID))],
        [(one(Code.TLS_CERTIFICATE_NOT_YET_VALID), DIRECT, {1, 2, 3})],
    ),
    (
        "not yet valid for the one client there is",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CERTIFICATE_NOT_YET_VALID))],
        [(one(Code.TLS_CERTIFICATE_NOT_YET_VALID, Code.TLS_CLOCK_WRONG), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "untrusted by everybody",
        PEERING,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CHAIN_UNTRUSTED, sha256="x", chain=("CN=b", "CN=ca")))],
        [(one(Code.TLS_UNTRUSTED_AUTHORITY), DIRECT, {1, 2, 3})],
    ),
    (
        "a certificate required",
        IN_VPC,
        [
            Bend(
                at(Stage.HANDSHAKE),
                lambda o: outcome(o.stage, o.target, facts=HandshakeFacts(sni="b", client_certificate_requested=True)),
            ),
            Bend(at(Stage.API), failed(Reason.CLOSED, ApiFacts(alert_number=116))),
        ],
        [(one(Code.TLS_CLIENT_CERTIFICATE_MISSING), {"cluster_vpc"}, {1, 2, 3})],
    ),
    *(
        (
            f"TLS alert {number}{' after a certificate was asked for' if asked else ''}",
            MANAGED,
            [
                Bend(
                    at(Stage.HANDSHAKE, clients=["account_b"]),
                    handshake(Reason.ALERT, problems=(), alert_number=number, client_certificate_requested=asked),
                )
            ],
            [(one(code), {"account_b"}, {1, 2, 3})],
        )
        for number, asked, code in (
            (116, False, Code.TLS_CLIENT_CERTIFICATE_MISSING),
            (40, True, Code.TLS_CLIENT_CERTIFICATE_MISSING),
            (42, True, Code.TLS_CLIENT_CERTIFICATE_MISSING),
            (70, False, Code.TLS_VERSION_MISMATCH),
            (112, False, Code.TLS_SNI_REQUIRED),
        )
    ),
    (
        "TLS alert 40 for one client, and nothing more",
        MANAGED,
        [
            Bend(
                at(Stage.HANDSHAKE, clients=["account_b"]),
                handshake(Reason.ALERT, problems=(), alert_number=40),
            )
        ],
        [
            (
                one(Code.TLS_VERSION_MISMATCH, Code.TLS_SNI_REQUIRED, Code.TLS_INSPECTED),
                {"account_b"},
                {1, 2, 3},
            )
        ],
    ),
    (
        "an alert that says nothing of why",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, clients=["peered"]), handshake(Reason.ALERT, problems=(), alert_number=20))],
        [(_REFUSED_IN_TLS, {"peered"}, {1, 2, 3})],
    ),
    (
        "what answers in records, and is no handshake",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, clients=["peered"]), handshake(Reason.PROTOCOL_ERROR, problems=()))],
        [(_REFUSED_IN_TLS, {"peered"}, {1, 2, 3})],
    ),
    (
        "the first request is not answered",
        PEERING,
        [Bend(at(Stage.API, clients=["peered"], brokers=[2]), failed(Reason.TIMED_OUT, ApiFacts(tcp=TcpInfo())))],
        [
            (
                one(Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS, Code.TCP_NOT_KAFKA),
                {"peered"},
                {2},
            )
        ],
    ),
    (
        "the first request is never acknowledged",
        PEERING,
        [
            Bend(
                at(Stage.API, clients=["peered"], brokers=[2]),
                failed(Reason.TIMED_OUT, ApiFacts(tcp=TcpInfo(unacknowledged_segments=1, data_segments_in=4))),
            )
        ],
        [
            (
                one(Code.TCP_PACKET_LOSS, Code.TCP_PATH_MEMBER, Code.TCP_CUT_ON_THE_WAY),
                {"peered"},
                {2},
            )
        ],
    ),
    (
        "the first request is not answered from two VPCs",
        PEERING,
        [Bend(at(Stage.API, brokers=[2]), failed(Reason.TIMED_OUT, ApiFacts(tcp=TcpInfo())))],
        [(one(Code.CLUSTER_BROKER_UNRESPONSIVE), DIRECT, {2})],
    ),
    (
        "TLS alert 40 for everybody",
        PEERING,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.ALERT, problems=(), alert_number=40))],
        [
            (
                one(Code.TLS_VERSION_MISMATCH, Code.TLS_SNI_REQUIRED, Code.TLS_LISTENER_FAILING),
                DIRECT,
                {1, 2, 3},
            )
        ],
    ),
    *(
        (
            f"TLS alert 80, {pattern}",
            pattern,
            [Bend(at(Stage.HANDSHAKE, clients=clients), handshake(Reason.ALERT, problems=(), alert_number=80))],
            [(frozenset(codes), clients, {1, 2, 3})],
        )
        for pattern, clients, codes in (
            (PEERING, DIRECT, {Code.TLS_LISTENER_FAILING, Code.TLS_INSPECTED}),
            (SINGLE, EVERYONE, {Code.TLS_LISTENER_FAILING, Code.TLS_INSPECTED, Code.NLB_PROXY_PROTOCOL}),
            (MULTI, OUTSIDE, {Code.NLB_PROXY_PROTOCOL}),
            (
                MULTI,
                AT_ENDPOINT_B,
                {Code.TLS_LISTENER_FAILING, Code.TLS_INSPECTED, Code.NLB_PROXY_PROTOCOL},
            ),
        )
    ),
    (
        "no version in common",
        MANAGED,
        [
            Bend(
                at(Stage.HANDSHAKE, clients=["account_b"]),
                handshake(Reason.PROTOCOL_ERROR, problems=(), no_common_version=True),
            )
        ],
        [(one(Code.TLS_VERSION_MISMATCH), {"account_b"}, {1, 2, 3})],
    ),
    (
        "proxy protocol",
        MULTI,
        [Bend(at(Stage.HANDSHAKE, clients=OUTSIDE), handshake(Reason.CLOSED, problems=()))],
        [
            (
                one(
                    Code.NLB_PROXY_PROTOCOL,
                    Code.NLB_WRONG_TARGET_PORT,
                    Code.TCP_CUT_ON_THE_WAY,
                    Code.CLUSTER_CONNECTION_LIMIT,
                ),
                OUTSIDE,
                {1, 2, 3},
            )
        ],
    ),
    # metadata and records
    (
        "advertised unchanged",
        SINGLE,
        [advertise(2, "", 9094)],
        [(one(Code.METADATA_ADVERTISED_UNCHANGED), EVERYONE, {2})],
    ),
    (
        "advertised elsewhere",
        SINGLE,
        [advertise(2, "", 8450)],
        [(one(Code.METADATA_ADVERTISED_PORT), EVERYONE, {2})],
    ),
    (
        "advertised by another name",
        IN_VPC,
        [advertise(2, "b-2.example.com", 0)],
        [(one(Code.METADATA_ADVERTISED_NAME), {"cluster_vpc"}, {2})],
    ),
    (
        "advertised as another broker",
        SINGLE,
        [advertise(2, "", 8445)],
        [(one(Code.METADATA_ADVERTISED_SWAPPED), EVERYONE, {2})],
    ),
    (
        "too few replicas",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.NOT_ENOUGH_REPLICAS))],
        [(one(Code.PRODUCE_MIN_ISR), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "topic not authorized",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.NOT_AUTHORIZED))],
        [(one(Code.AUTH_TOPIC_DENIED), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "no topic, for want of replicas",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.TOPIC_NOT_CREATED, TopicFacts(topic="t", error_code=38)))],
        [(one(Code.PRODUCE_TOPIC_REFUSED, Code.CLUSTER_BROKER_DOWN), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "no topic, for want of a controller",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.TOPIC_NOT_CREATED, TopicFacts(topic="t", error_code=7)))],
        [
            (
                one(Code.CLUSTER_CONTROLLER_UNAVAILABLE, Code.CLUSTER_BROKER_CUT_OFF),
                {"cluster_vpc"},
                {1, 2, 3},
            )
        ],
    ),
    (
        "no topic, by a policy",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.TOPIC_NOT_CREATED, TopicFacts(topic="t", error_code=44)))],
        [(one(Code.PRODUCE_TOPIC_REFUSED), {"cluster_vpc"}, {1, 2, 3})],
    ),
    (
        "the coordinator alone",
        IN_VPC,
        [Bend(at(Stage.GROUP), failed(Reason.COORDINATOR_UNAVAILABLE))],
        [
            (
                one(Code.CONSUME_COORDINATOR_UNREACHABLE, Code.CLUSTER_BROKER_UNRESPONSIVE),
                {"cluster_vpc"},
                set(),
            )
        ],
    ),
    (
        "a second path",
        MULTI,
        [
            Bend(
                at(Stage.GROUP, clients=["account_b"]),
                lambda o: outcome(
                    o.stage, o.target, facts=GroupFacts(group="g", coordinator_id=1, client_host="10.1.0.201")
                ),
            )
        ],
        [(one(Code.ISOLATION_SECOND_PATH), {"account_b"}, set())],
    ),
]


@pytest.mark.parametrize(("pattern", "bends", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_bent_runs_end_in_their_cause(pattern: str, bends: list[Bend], expected: Named) -> None:
    diagnosis = diagnosis_of(views_of(pattern), *bends)
    assert diagnosis.answer is Answer.FINDINGS
    assert named(diagnosis) == expected
    for finding in diagnosis.findings:
        assert all(CATALOGUE[code].visible for code in finding.codes)
        assert finding.wrong.endswith(").")
        assert finding.observed
        assert finding.expected
        assert finding.change
        assert bool(finding.next_step) == (len(finding.codes) > 1)
        assert "{" not in finding.change


@pytest.mark.parametrize(
    ("zone_of_the_other", "possible"), [("use1-az2", sets.ATTACHED_ZONE), ("use1-az1", frozenset())]
)
def test_a_client_of_the_same_vpc_that_gets_through_leaves_the_zones_of_the_attachment(
    zone_of_the_other: str, possible: frozenset[Code]
) -> None:
    views = {view.client: view for view in views_of(GATEWAY)}
    mine = views["by_gateway"]
    assert mine.zone_id == "use1-az1"
    other = msgspec.structs.replace(mine, client="beside", zone_id=zone_of_the_other)
    silent = Bend(at(Stage.CONNECT, clients=["by_gateway"]), SILENT)
    [found] = diagnosis_of((*views.values(), other), silent).findings
    assert set(found.codes) & (sets.ATTACHED_ZONE | sets.BY_GATEWAY) == possible
