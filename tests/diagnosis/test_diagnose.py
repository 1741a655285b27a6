"""Bent runs and the causes they must end in: exactly these, for all clients together."""

from __future__ import annotations

import pytest

from brokerproof.causes import sets
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Answer
from brokerproof.probes.outcome import (
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
    GATEWAY,
    IN_VPC,
    MANAGED,
    MULTI,
    NO_NAME,
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
)
from tests.diagnosis.bent import Bend, answers, at, diagnosis_of, failed, views_of
from tests.diagnosis.perfect import outcome

CASES: list[tuple[str, str, list[Bend], Named]] = [
    # names
    (
        "record missing",
        SINGLE,
        [Bend(at(Stage.RESOLVE, brokers=[2], clients="bo"), NO_NAME)],
        [(one(Code.DNS_RECORD_MISSING), {"b", "o"}, {2})],
    ),
    (
        "more specific zone",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[1]), resolver(Reason.NXDOMAIN, soa=f"b-1.{SOA}"))],
        [(one(Code.DNS_MORE_SPECIFIC_ZONE), {"b"}, {1})],
    ),
    (
        "name unknown to public dns from one VPC",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients="b"), resolver(Reason.NXDOMAIN, soa="."))],
        [(one(Code.DNS_RESOLVER_RULE), {"b"}, {1, 2, 3})],
    ),
    (
        "resolver silent",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients="b"), resolver(Reason.TIMED_OUT, rcode=""))],
        [(sets.NO_ANSWER, {"b"}, {1, 2, 3})],
    ),
    (
        "no name of the cluster is answered for, and others are",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[1, 2, 3]), resolver(Reason.TIMED_OUT, rcode=""))],
        [(sets.THESE_NAMES_UNANSWERED, {"b"}, {1, 2, 3})],
    ),
    (
        "some questions unanswered",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[1, 3]), resolver(Reason.TIMED_OUT, rcode=""))],
        [(one(Code.DNS_QUERIES_THROTTLED), {"b"}, {1, 3})],
    ),
    (
        "another resolver silent",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients="b"), resolver(Reason.TIMED_OUT, rcode="", resolver="10.1.0.53"))],
        [(one(Code.DNS_RESOLVER_SILENT), {"b"}, {1, 2, 3})],
    ),
    (
        "servfail for all",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients="b"), resolver(Reason.SERVFAIL, rcode="SERVFAIL"))],
        [(sets.RESOLVER_FAILS, {"b"}, {1, 2, 3})],
    ),
    (
        "cname loop",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[2]), resolver(Reason.SERVFAIL, cname_chain=("x.", "y.", "x.")))],
        [(one(Code.DNS_CNAME_LOOP), {"b"}, {2})],
    ),
    (
        "private answers filtered",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients="b"), resolver(Reason.NO_DATA, rcode="NOERROR"))],
        [(one(Code.DNS_PRIVATE_ANSWERS_FILTERED), {"b"}, {1, 2, 3})],
    ),
    (
        "the system resolves otherwise",
        IN_VPC,
        [Bend(at(Stage.RESOLVE), resolver(Reason.OS_ANSWER_DIFFERS))],
        [(one(Code.DNS_RESOLVER_BYPASSED), {"a"}, {1, 2, 3})],
    ),
    (
        "other broker's endpoint",
        MULTI,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[1]), answers("10.1.0.151"))],
        [(one(Code.DNS_WRONG_ENDPOINT), {"b"}, {1})],
    ),
    (
        "stale record",
        MULTI,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[1]), answers("10.1.0.77"))],
        [(one(Code.DNS_STALE_RECORD), {"b"}, {1})],
    ),
    (
        "zonal alias of one name",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[1]), answers("10.1.0.150"))],
        [(one(Code.DNS_ZONAL_ALIAS), {"b"}, {1})],
    ),
    (
        "one address of an own endpoint",
        MULTI,
        [Bend(at(Stage.RESOLVE, clients="b", brokers=[1]), answers("10.1.0.150"))],
        [(sets.FEWER_ADDRESSES, {"b"}, {1})],
    ),
    (
        "a zone of the endpoint is missing",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients="b"), answers("10.1.0.150", "10.1.16.150"))],
        [(one(Code.ENDPOINT_ZONE_MISMATCH), {"b"}, {1, 2, 3})],
    ),
    # the way to the ENIs
    (
        "brokers closed",
        PEERING,
        [Bend(at(Stage.CONNECT), SILENT)],
        [(sets.AT_THE_BROKERS, {"a", "b", "c"}, {1, 2, 3})],
    ),
    (
        "one broker closed",
        PEERING,
        [Bend(at(Stage.CONNECT, brokers=[2]), SILENT)],
        [(sets.AT_THE_BROKERS, {"a", "b", "c"}, {2})],
    ),
    (
        "one peered VPC",
        PEERING,
        [Bend(at(Stage.CONNECT, clients="b"), SILENT)],
        [(sets.BACK_AND_IN | sets.ONE_VPC | sets.BY_PEERING, {"b"}, {1, 2, 3})],
    ),
    (
        "every peered VPC",
        PEERING,
        [Bend(at(Stage.CONNECT, clients="bc"), SILENT)],
        [(sets.BACK_AND_IN | sets.BY_PEERING, {"b", "c"}, {1, 2, 3})],
    ),
    (
        "one broker from other VPCs",
        PEERING,
        [Bend(at(Stage.CONNECT, clients="bc", brokers=[2]), SILENT)],
        [(sets.ONE_SUBNET, {"b", "c"}, {2})],
    ),
    (
        "one VPC at the gateway",
        GATEWAY,
        [Bend(at(Stage.CONNECT, clients="b"), SILENT)],
        [(sets.BACK_AND_IN | sets.ONE_VPC | sets.BY_GATEWAY, {"b"}, {1, 2, 3})],
    ),
    (
        "the other Region's gateway",
        GATEWAY,
        [Bend(at(Stage.CONNECT, clients="cd"), SILENT)],
        [(sets.BACK_AND_IN | sets.BETWEEN_GATEWAYS, {"c", "d"}, {1, 2, 3})],
    ),
    (
        "one broker refuses",
        PEERING,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)],
        [(one(Code.CLUSTER_BROKER_DOWN), {"a", "b", "c"}, {2})],
    ),
    # behind load balancers
    (
        "one broker refuses behind NLB, listed",
        SINGLE,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)],
        [(sets.ONE_BROKER_REFUSED, set("aborrt") | {"t"}, {2})],
    ),
    (
        "a broker down, seen at its ENI too",
        MULTI,
        [Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)],
        [(one(Code.CLUSTER_BROKER_DOWN), set("abort"), {2})],
    ),
    (
        "the NLB closed",
        SINGLE,
        [Bend(at(Stage.CONNECT), SILENT)],
        [(sets.AT_THE_NLB, set("abort"), {1, 2, 3})],
    ),
    (
        "endpoints closed",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients="bort"), SILENT)],
        [(sets.AT_THE_ENDPOINT | {Code.SECURITY_NLB_GROUP}, set("bort"), {1, 2, 3})],
    ),
    (
        "one VPC's endpoints closed",
        MULTI,
        [Bend(at(Stage.CONNECT, clients="brt"), SILENT)],
        [(sets.ONE_ENDPOINT_VPC, set("brt"), {1, 2, 3})],
    ),
    (
        "remote VPC by peering",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients="r"), SILENT)],
        [(sets.ACCESS | sets.ONE_VPC | sets.BY_PEERING, {"r"}, {1, 2, 3})],
    ),
    (
        "remote VPC by gateway",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients="t"), SILENT)],
        [(sets.ACCESS | sets.ONE_VPC | sets.BY_GATEWAY | sets.BETWEEN_GATEWAYS, {"t"}, {1, 2, 3})],
    ),
    (
        "one host of the endpoint's VPC",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients="b"), SILENT)],
        [(sets.ONE_HOST, {"b"}, {1, 2, 3})],
    ),
    (
        "one port at the endpoints",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients="bort", brokers=[3]), SILENT)],
        [(sets.ONE_PORT | {Code.SECURITY_NLB_GROUP}, set("bort"), {3})],
    ),
    (
        "one listener",
        SINGLE,
        [Bend(at(Stage.CONNECT, brokers=[3]), SILENT)],
        [(sets.ONE_BROKER_SILENT, set("abort"), {3})],
    ),
    (
        "cross-zone off",
        SINGLE,
        [Bend(at(Stage.CONNECT, where=outside_own_zone), SILENT)],
        [(one(Code.NLB_CROSS_ZONE_OFF), set("abort"), {1, 2, 3})],
    ),
    (
        "one zone of one endpoint VPC",
        MULTI,
        [Bend(at(Stage.CONNECT, clients="b", where=in_zone("use1-az2")), SILENT)],
        [(one(Code.SECURITY_NETWORK_ACL), {"b"}, {1, 2, 3})],
    ),
    (
        "a managed connection",
        MANAGED,
        [Bend(at(Stage.CONNECT, clients="m"), SILENT)],
        [(sets.AT_THE_CONNECTION | sets.ONE_CLIENT | {Code.SECURITY_NETWORK_ACL}, {"m"}, {1, 2, 3})],
    ),
    (
        "another broker behind the port",
        SINGLE,
        [Bend(at(Stage.IDENTITY, brokers=[2]), failed(Reason.OTHER_BROKER, IdentityFacts(answered_by=3)))],
        [(one(Code.NLB_WRONG_TARGET), set("abort"), {2})],
    ),
    (
        "connections are forgotten behind the load balancer",
        SINGLE,
        [Bend(at(Stage.IDLE, clients="b", brokers=[1, 2]), failed(Reason.RESET, IdleFacts(silent_ms=1, asked=True)))],
        [(one(Code.NLB_IDLE_TIMEOUT), {"b"}, {1, 2})],
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
        [(one(Code.DNS_ZONE_SHADOWS_REGION), set("abort"), set())],
    ),
    # TLS
    (
        "frozen broker",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, brokers=[2]), handshake(Reason.TIMED_OUT, problems=()))],
        [(one(Code.CLUSTER_BROKER_UNRESPONSIVE), {"a", "b", "c"}, {2})],
    ),
    (
        "large packets vanish from one VPC",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, clients="b"), handshake(Reason.TIMED_OUT, problems=()))],
        [(one(Code.TCP_PATH_MTU), {"b"}, {1, 2, 3})],
    ),
    (
        "nothing comes back, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=()))],
        [(sets.SAYS_NOTHING, {"a"}, {1, 2, 3})],
    ),
    (
        "large requests vanish after the handshake",
        SINGLE,
        [
            Bend(
                at(Stage.PATH_SIZE, clients="b"),
                failed(
                    Reason.TIMED_OUT,
                    PathSizeFacts(
                        to_broker_passed_bytes=8500,
                        to_broker_stopped_bytes=9001,
                        tcp=TcpInfo(unacknowledged_segments=1),
                    ),
                ),
            )
        ],
        [(one(Code.TCP_PATH_MTU), {"b"}, {1, 2, 3})],
    ),
    (
        "large answers vanish after the handshake",
        SINGLE,
        [
            Bend(
                at(Stage.PATH_SIZE, clients="b"),
                failed(Reason.TIMED_OUT, PathSizeFacts(to_client_passed_bytes=90, to_client_stopped_bytes=9001)),
            )
        ],
        [(one(Code.TCP_PATH_MTU), {"b"}, {1, 2, 3})],
    ),
    (
        "a large request arrives and is not answered",
        PEERING,
        [
            Bend(
                at(Stage.PATH_SIZE, clients="b", brokers=[2]),
                failed(Reason.TIMED_OUT, PathSizeFacts(to_broker_stopped_bytes=1500, tcp=TcpInfo())),
            )
        ],
        [(sets.STOPS_ANSWERING, {"b"}, {2})],
    ),
    (
        "the ClientHello does not arrive, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=(), tcp=TcpInfo(unacknowledged_segments=1)))],
        [(sets.NOT_TAKEN, {"a"}, {1, 2, 3})],
    ),
    (
        "only the end of the answer arrives, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=(), tcp=TcpInfo(data_segments_in=1)))],
        [(one(Code.TCP_PATH_MTU), {"a"}, {1, 2, 3})],
    ),
    (
        "the ClientHello is taken and not answered, one client",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.TIMED_OUT, problems=(), tcp=TcpInfo(data_segments_in=0)))],
        [(sets.SAYS_NOTHING, {"a"}, {1, 2, 3})],
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
        [(one(Code.TLS_OTHER_CLUSTER), {"a"}, {1, 2, 3})],
    ),
    (
        "the ordinary wildcard",
        MANAGED,
        [
            Bend(
                at(Stage.HANDSHAKE, clients="mo"),
                handshake(Reason.NAME_MISMATCH, dns_names=("*.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com",)),
            )
        ],
        [(one(Code.TLS_CONNECTION_NAME), {"m", "o"}, {1, 2, 3})],
    ),
    (
        "expired for everybody",
        PEERING,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CERTIFICATE_EXPIRED))],
        [(one(Code.TLS_CERTIFICATE_DATES), {"a", "b", "c"}, {1, 2, 3})],
    ),
    (
        "expired for the one client there is",
        IN_VPC,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CERTIFICATE_EXPIRED))],
        [(sets.NOT_NOW, {"a"}, {1, 2, 3})],
    ),
    (
        "untrusted by everybody",
        PEERING,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.CHAIN_UNTRUSTED, sha256="x", chain=("CN=b", "CN=ca")))],
        [(one(Code.TLS_UNTRUSTED_AUTHORITY), {"a", "b", "c"}, {1, 2, 3})],
    ),
    (
        "a certificate required",
        IN_VPC,
        [
            Bend(
                at(Stage.HANDSHAKE),
                lambda o: outcome(o.stage, o.target, facts=HandshakeFacts(sni="b", client_certificate_requested=True)),
            ),
            Bend(at(Stage.API), failed(Reason.CLOSED)),
        ],
        [(one(Code.TLS_CLIENT_CERTIFICATE_MISSING), {"a"}, {1, 2, 3})],
    ),
    *(
        (
            f"TLS alert {number}{' after a certificate was asked for' if asked else ''}",
            MANAGED,
            [
                Bend(
                    at(Stage.HANDSHAKE, clients="m"),
                    handshake(Reason.ALERT, problems=(), alert_number=number, client_certificate_requested=asked),
                )
            ],
            [(one(code), {"m"}, {1, 2, 3})],
        )
        for number, asked, code in (
            (116, False, Code.TLS_CLIENT_CERTIFICATE_MISSING),
            (40, True, Code.TLS_CLIENT_CERTIFICATE_MISSING),
            (42, True, Code.TLS_CLIENT_CERTIFICATE_MISSING),
            (40, False, Code.TLS_VERSION_MISMATCH),
            (70, False, Code.TLS_VERSION_MISMATCH),
            (112, False, Code.TLS_SNI_REQUIRED),
        )
    ),
    (
        "no version in common",
        MANAGED,
        [
            Bend(
                at(Stage.HANDSHAKE, clients="m"),
                handshake(Reason.PROTOCOL_ERROR, problems=(), no_common_version=True),
            )
        ],
        [(one(Code.TLS_VERSION_MISMATCH), {"m"}, {1, 2, 3})],
    ),
    (
        "proxy protocol",
        MULTI,
        [Bend(at(Stage.HANDSHAKE, clients="bort"), handshake(Reason.CLOSED, problems=()))],
        [(one(Code.NLB_PROXY_PROTOCOL, Code.NLB_WRONG_TARGET_PORT), set("bort"), {1, 2, 3})],
    ),
    # metadata and records
    (
        "advertised unchanged",
        SINGLE,
        [advertise(2, "", 9094)],
        [(one(Code.METADATA_ADVERTISED_UNCHANGED), set("abort"), {2})],
    ),
    (
        "advertised elsewhere",
        SINGLE,
        [advertise(2, "", 8450)],
        [(one(Code.METADATA_ADVERTISED_PORT), set("abort"), {2})],
    ),
    (
        "advertised by another name",
        IN_VPC,
        [advertise(2, "b-2.example.com", 0)],
        [(one(Code.METADATA_ADVERTISED_NAME), {"a"}, {2})],
    ),
    (
        "advertised as another broker",
        SINGLE,
        [advertise(2, "", 8445)],
        [(one(Code.METADATA_ADVERTISED_SWAPPED), set("abort"), {2})],
    ),
    (
        "too few replicas",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.NOT_ENOUGH_REPLICAS))],
        [(one(Code.PRODUCE_MIN_ISR), {"a"}, {1, 2, 3})],
    ),
    (
        "topic not authorized",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.NOT_AUTHORIZED))],
        [(one(Code.AUTH_TOPIC_DENIED), {"a"}, {1, 2, 3})],
    ),
    (
        "no topic, for want of replicas",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.TOPIC_NOT_CREATED, TopicFacts(topic="t", error_code=38)))],
        [(one(Code.PRODUCE_MIN_ISR), {"a"}, {1, 2, 3})],
    ),
    (
        "no topic, for want of a controller",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.TOPIC_NOT_CREATED, TopicFacts(topic="t", error_code=7)))],
        [(one(Code.CLUSTER_CONTROLLER_UNAVAILABLE), {"a"}, {1, 2, 3})],
    ),
    (
        "no topic, by a policy",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), failed(Reason.TOPIC_NOT_CREATED, TopicFacts(topic="t", error_code=44)))],
        [(sets.NO_TOPIC, {"a"}, {1, 2, 3})],
    ),
    (
        "the coordinator alone",
        IN_VPC,
        [Bend(at(Stage.GROUP), failed(Reason.COORDINATOR_UNAVAILABLE))],
        [(one(Code.CONSUME_COORDINATOR_UNREACHABLE), {"a"}, set())],
    ),
    (
        "a second path",
        MULTI,
        [
            Bend(
                at(Stage.GROUP, clients="b"),
                lambda o: outcome(
                    o.stage, o.target, facts=GroupFacts(group="g", coordinator_id=1, client_host="10.1.0.201")
                ),
            )
        ],
        [(one(Code.ISOLATION_SECOND_PATH), {"b"}, set())],
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
