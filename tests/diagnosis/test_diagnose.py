"""Bent runs and the causes they must end in: exactly these, for all clients together."""

from __future__ import annotations

from typing import Final

import pytest

from diagnosis.catalogue import CATALOGUE
from diagnosis.diagnose import diagnose
from diagnosis.finding import Answer, Diagnosis, Seen
from diagnosis.judge import Evidence, judge
from probes.outcome import (
    AdvertisedBroker,
    ConnectFacts,
    GroupFacts,
    HandshakeFacts,
    IdentityFacts,
    IdleFacts,
    MetadataFacts,
    Outcome,
    PathSizeFacts,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
    TcpInfo,
)
from tests.diagnosis.bent import Bend, Change, answers, at, attempted, diagnosis_of, failed, seen, views_of
from tests.diagnosis.perfect import outcome
from topology import finding_sets as sets
from topology.finding_codes import Code
from topology.patterns import names
from topology.view import ClientView

PEERING, GATEWAY, IN_VPC = "peering", "transit_gateway", "in_vpc"
SINGLE, MULTI, MANAGED = "privatelink_single_nlb", "privatelink_multi_nlb", "multi_vpc"
SILENT: Final = failed(Reason.TIMED_OUT)
REFUSED: Final = failed(Reason.REFUSED)

Named = list[tuple[frozenset[Code], set[str], set[int]]]


def named(diagnosis: Diagnosis) -> Named:
    return [(frozenset(f.codes), set(f.clients), set(f.broker_ids)) for f in diagnosis.findings]


def one(*codes: Code) -> frozenset[Code]:
    return frozenset(codes)


def resolver(reason: Reason, **facts: object) -> Change:
    told = ResolveFacts(**{"resolver": "10.1.0.2", "rcode": "NXDOMAIN", **facts})  # type: ignore[arg-type]
    return failed(reason, told)


def handshake(reason: Reason, **facts: object) -> Change:
    return failed(reason, HandshakeFacts(**{"sni": "b", "problems": (reason,), **facts}))  # type: ignore[arg-type]


def outside_own_zone(view: ClientView, o: Outcome) -> bool:
    broker = next((b for b in view.brokers if b.broker_id == o.target.broker_id), None)
    zones = {a.address: a.zone_id for b in view.brokers for a in b.addresses}
    return broker is not None and zones[o.target.address] != broker.zone_id


def in_zone(zone_id: str) -> object:
    return lambda view, o: (
        {a.address: a.zone_id for b in view.brokers for a in b.addresses}[o.target.address] == zone_id
    )


def advertise(broker_id: int, name: str, port: int) -> Bend:
    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        entries = tuple(
            AdvertisedBroker(broker_id=broker_id, name=name or b.name, port=port or b.port)
            if b.broker_id == broker_id
            else b
            for b in o.facts.brokers
        )
        return outcome(o.stage, o.target, facts=MetadataFacts(cluster_id="c", controller_id=1, brokers=entries))

    return Bend(at(Stage.METADATA), change)


SOA = "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com."
NO_NAME = resolver(Reason.NXDOMAIN, soa=SOA)

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
        [Bend(at(Stage.CONNECT, clients="b", where=in_zone("use1-az2")), SILENT)],  # type: ignore[arg-type]
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


def on_b_1(_view: ClientView, o: Outcome) -> bool:
    return o.target.role is Role.BOOTSTRAP and o.target.name[:3] == "b-1"


def not_in_zone_1(view: ClientView, o: Outcome) -> bool:
    return {a.address: a.zone_id for b in view.brokers for a in b.addresses}[o.target.address] != "use1-az1"


SEEN_IN_THE_LAB: list[tuple[str, str, list[Bend], Named]] = [
    (
        "no record at all",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients="bort"), NO_NAME)],
        [(sets.NO_RECORDS, set("bort"), {1, 2, 3})],
    ),
    (
        "a public name hidden by a zone or a rule",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients="b"), NO_NAME)],
        [(sets.NAME_HIDDEN, {"b"}, {1, 2, 3})],
    ),
    (
        "an empty zone of one name",
        SINGLE,
        [
            Bend(
                at(Stage.RESOLVE, clients="b", brokers=[2]), resolver(Reason.NO_DATA, rcode="NOERROR", soa=f"b-2.{SOA}")
            )
        ],
        [(one(Code.DNS_MORE_SPECIFIC_ZONE), {"b"}, {2})],
    ),
    (
        "a client's subnet closed to other zones, which looks like cross-zone off for one broker",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients="b", where=not_in_zone_1), SILENT)],
        [(one(Code.SECURITY_NETWORK_ACL), {"b"}, {1, 2, 3})],
    ),
    (
        "proxy protocol before Java's TLS",
        SINGLE,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.ALERT, problems=(), alert="alert 80 internal error"))],
        [(one(Code.NLB_PROXY_PROTOCOL), set("abort"), {1, 2, 3})],
    ),
    (
        "a frozen broker behind the bootstrap listener",
        SINGLE,
        [
            Bend(at(Stage.HANDSHAKE, brokers=[2]), handshake(Reason.TIMED_OUT, problems=())),
            Bend(
                at(Stage.HANDSHAKE, where=on_b_1),
                handshake(Reason.TIMED_OUT, problems=()),
            ),
        ],
        [(one(Code.CLUSTER_BROKER_UNRESPONSIVE), set("abort"), {2})],
    ),
    (
        "a frozen broker whose accept queue is full when the last client comes",
        SINGLE,
        [
            Bend(at(Stage.CONNECT, clients="t", brokers=[2]), SILENT),
            Bend(
                at(Stage.CONNECT, clients="t", where=on_b_1),
                SILENT,
            ),
            Bend(at(Stage.HANDSHAKE, brokers=[2]), handshake(Reason.TIMED_OUT, problems=())),
        ],
        [(one(Code.CLUSTER_BROKER_UNRESPONSIVE), set("abort"), {2})],
    ),
    (
        "one target of the bootstrap listener",
        SINGLE,
        [
            Bend(
                at(Stage.HANDSHAKE, where=on_b_1),
                handshake(Reason.CLOSED, problems=()),
            )
        ],
        [(sets.ONE_BOOTSTRAP_TARGET, set("abort"), set())],
    ),
    (
        "one broker slow to answer one client",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, clients="b", brokers=[1]), handshake(Reason.TIMED_OUT, problems=()))],
        [(sets.SAYS_NOTHING_HERE, {"b"}, {1})],
    ),
    (
        "the operating system hears nothing of a name, and the probe nothing of another",
        PEERING,
        [
            Bend(at(Stage.RESOLVE, clients="b", brokers=[3]), SILENT),
            Bend(
                at(Stage.RESOLVE, clients="b", brokers=[2]),
                resolver(Reason.OS_RESOLUTION_FAILED, rcode="NOERROR", os_error="no answer within 2000 ms"),
            ),
        ],
        [(one(Code.DNS_QUERIES_THROTTLED), {"b"}, {2, 3})],
    ),
    (
        "the private zone is used by nobody, the local client among them",
        SINGLE,
        [
            Bend(at(Stage.RESOLVE, brokers=[1]), answers("10.0.0.10")),
            Bend(at(Stage.RESOLVE, brokers=[2]), answers("10.0.16.10")),
            Bend(at(Stage.RESOLVE, brokers=[3]), answers("10.0.32.10")),
        ],
        [(sets.ZONE_NOT_USED, set("abort"), {1, 2, 3})],
    ),
    (
        "a shared target that one client meets in its records alone",
        SINGLE,
        [
            Bend(at(Stage.IDENTITY, clients="abot", brokers=[2]), failed(Reason.OTHER_BROKER)),
            Bend(at(Stage.PRODUCE, clients="r", brokers=[2]), SILENT),
        ],
        [(one(Code.NLB_WRONG_TARGET), set("abot"), {2})],
    ),
    (
        "connections are forgotten where no load balancer is",
        PEERING,
        [Bend(at(Stage.IDLE, clients="b"), failed(Reason.RESET, IdleFacts(silent_ms=1, asked=True)))],
        [(one(Code.UNKNOWN), {"b"}, {1, 2, 3})],
    ),
    (
        "TLS reset for one client alone: nothing of the catalogue",
        MULTI,
        [Bend(at(Stage.HANDSHAKE, clients="b"), handshake(Reason.RESET, problems=()))],
        [(one(Code.UNKNOWN), {"b"}, {1, 2, 3})],
    ),
]


@pytest.mark.parametrize(
    ("pattern", "bends", "expected"), [c[1:] for c in SEEN_IN_THE_LAB], ids=[c[0] for c in SEEN_IN_THE_LAB]
)
def test_shapes_that_were_mistaken_once(pattern: str, bends: list[Bend], expected: Named) -> None:
    assert named(diagnosis_of(views_of(pattern), *bends)) == expected


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
    ("pattern", "reasons", "codes"),
    [
        (PEERING, (None, Reason.TIMED_OUT), sets.NOW_AND_THEN),
        (SINGLE, (None, Reason.TIMED_OUT), sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED}),
        (PEERING, (Reason.REFUSED, None), one(Code.CLUSTER_BROKER_DOWN)),
        (SINGLE, (Reason.REFUSED, None), sets.PARTLY_REFUSED),
        (SINGLE, (Reason.RESET, Reason.REFUSED), sets.PARTLY_REFUSED),
    ],
)
def test_attempts_that_end_differently(
    pattern: str, reasons: tuple[Reason | None, ...], codes: frozenset[Code]
) -> None:
    match = at(Stage.CONNECT, clients="b", brokers=[2], where=lambda _v, o: o.status is Status.OK)
    diagnosis = diagnose([attempted(view, (match, reasons)) for view in views_of(pattern)])
    assert named(diagnosis) == [(codes, {"b"}, {2})]


_PERHAPS_TARGET = sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED, Code.NLB_BOOTSTRAP_TARGET_DEAD}


@pytest.mark.parametrize(
    ("lost", "reason", "codes"),
    [
        ("one", Reason.TIMED_OUT, _PERHAPS_TARGET),
        ("every", Reason.TIMED_OUT, one(Code.NLB_BOOTSTRAP_TARGET_DEAD)),
        ("one", Reason.REFUSED, one(Code.NLB_BOOTSTRAP_TARGET_DEAD)),
    ],
)
def test_connects_lost_at_the_bootstrap_port_alone(lost: str, reason: Reason, codes: frozenset[Code]) -> None:
    def at_bootstrap(view: ClientView, o: Outcome) -> bool:
        everywhere = [(b.name, a.address) for b in view.bootstrap for a in b.addresses]
        chosen = everywhere[:1] if lost == "one" else everywhere
        return o.target.role is Role.BOOTSTRAP and (o.target.name, o.target.address) in chosen

    lost_there = (at(Stage.CONNECT, clients="b", where=at_bootstrap), (None, reason))
    well = (at(Stage.CONNECT, brokers=[1, 2, 3]), (None, None))
    diagnosis = diagnose([attempted(view, lost_there, well) for view in views_of(SINGLE)])
    assert named(diagnosis) == [(codes, {"b"}, set())]


def test_attempts_that_all_connect_are_no_finding() -> None:
    views = views_of(SINGLE)
    diagnosis = diagnose([attempted(view, (at(Stage.CONNECT, brokers=[1, 2, 3]), (None, None))) for view in views[:1]])
    assert diagnosis.findings == ()


def test_opened_doors() -> None:
    def accepted(view: ClientView, o: Outcome) -> bool:
        return o.target.role is Role.FORBIDDEN

    def opened(o: Outcome) -> Outcome:
        return outcome(o.stage, o.target, facts=ConnectFacts())

    found: dict[str, set[Code]] = {}
    for pattern in (PEERING, SINGLE):
        for view in views_of(pattern):
            run = seen(view)
            bent = tuple(opened(o) if accepted(view, o) else o for o in run.outcomes)
            judged = diagnose([Seen(view=view, checks=judge(view, Evidence(bent)), outcomes=bent)])
            found[f"{pattern}.{view.client}"] = {code for f in judged.findings for code in f.codes} - {Code.UNKNOWN}
    assert found["peering.x"] == {Code.ISOLATION_UNAPPROVED_CLIENT}
    assert found["peering.b"] == {Code.ISOLATION_PLAINTEXT_OPEN, Code.ISOLATION_PORTS_OPEN}
    assert found["privatelink_single_nlb.b"] >= {Code.ISOLATION_SECOND_PATH, Code.ISOLATION_PORTS_OPEN}


@pytest.mark.parametrize(("every", "clients"), [(True, {"b", "x"}), (False, {"b"})])
def test_a_rule_that_admits_every_port_admits_hosts_beside_the_clients_too(every: bool, clients: set[str]) -> None:
    """Of one port alone it is not sure that the same rule admits the other host to the brokers' own."""

    def let(o: Outcome, *, listens: bool) -> Outcome:
        if listens:
            return outcome(o.stage, o.target, facts=ConnectFacts())
        return outcome(o.stage, o.target, Status.FAILED, Reason.REFUSED)

    runs = []
    for view in views_of(PEERING):
        run = seen(view)
        doors = [o for o in run.outcomes if o.target.role is Role.FORBIDDEN] if view.client in {"b", "x"} else []
        ports = {o.target.port for o in doors}
        let_through = ports if every or view.client == "x" else {min(ports, default=0)}
        bent = tuple(
            let(o, listens=view.client == "x") if o in doors and o.target.port in let_through else o
            for o in run.outcomes
        )
        runs.append(Seen(view=view, checks=judge(view, Evidence(bent)), outcomes=bent))
    found = {finding.codes: set(finding.clients) for finding in diagnose(runs).findings}
    assert found[Code.ISOLATION_PORTS_OPEN,] == clients
    assert (
        (Code.ISOLATION_UNAPPROVED_CLIENT,) not in found if every else found[Code.ISOLATION_UNAPPROVED_CLIENT,] == {"x"}
    )


def test_a_way_back_through_privatelink_is_a_second_path() -> None:
    run = []
    for view in views_of(names.CROSS_REGION):
        clean = seen(view)
        bent = tuple(
            outcome(o.stage, o.target, facts=ConnectFacts())
            if not view.brokers and o.target.role is Role.FORBIDDEN
            else o
            for o in clean.outcomes
        )
        run.append(Seen(view=view, checks=judge(view, Evidence(bent)), outcomes=bent))
    assert {finding.codes for finding in diagnose(run).findings} == {(Code.ISOLATION_SECOND_PATH,)}


def test_a_group_that_admits_another_port_is_one_cause() -> None:
    run = []
    for view in views_of(IN_VPC):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if o.target.role is Role.FORBIDDEN and o.target.port == 9098
            else o
            for o in clean.outcomes
        )
        run.append(Seen(view=view, checks=judge(view, Evidence(bent)), outcomes=bent))
    assert {finding.codes for finding in diagnose(run).findings} == {(Code.SECURITY_BROKER_GROUP,)}


@pytest.mark.parametrize("stopped", [{"b"}, {"a", "b"}, {"a", "b", "c"}])
def test_a_client_that_is_kept_from_the_other_port_too_has_another_cause(stopped: set[str]) -> None:
    """What is nearer to it than the brokers' group keeps it from every port."""
    run = []
    for view in views_of(PEERING):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        admitted = view.brokers and view.client not in stopped
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if admitted and o.target.role is Role.FORBIDDEN and o.target.port == 9098
            else o
            for o in clean.outcomes
        )
        run.append(Seen(view=view, checks=judge(view, Evidence(bent)), outcomes=bent))
    found = {frozenset(finding.codes): set(finding.clients) for finding in diagnose(run).findings}
    if stopped == {"a", "b", "c"}:
        assert found == {sets.AT_THE_BROKERS: stopped}
        return
    assert found.pop(one(Code.SECURITY_BROKER_GROUP)) == {"a", "b", "c"} - stopped
    assert set().union(*found.values()) == stopped
    assert all(Code.SECURITY_CLIENT_GROUP in codes for codes in found)
    assert found[next(codes for codes in found if Code.ROUTE_MISSING_CLIENT in codes)] == {"b"}


def test_a_port_that_others_are_refused_at_as_they_should_be_tells_as_well() -> None:
    """A refusal at a port that nothing listens at is no fault, and shows that packets arrive."""
    run = []
    for view in views_of(PEERING):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        refused = [o for o in clean.outcomes if o.target.role is Role.FORBIDDEN] if view.client in {"a", "c"} else []
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED) if o in refused else o
            for o in clean.outcomes
        )
        checks = tuple(check for check in judge(view, Evidence(bent)) if not check.isolation)
        run.append(Seen(view=view, checks=checks, outcomes=bent))
    found = {frozenset(finding.codes): set(finding.clients) for finding in diagnose(run).findings}
    assert found.pop(sets.AT_THE_BROKERS) == {"a", "c"}
    assert [(Code.ROUTE_MISSING_CLIENT in codes, clients) for codes, clients in found.items()] == [(True, {"b"})]


def test_where_clients_that_connect_are_let_through_elsewhere_as_well_one_that_does_not_is_no_part_of_it() -> None:
    run = []
    for view in views_of(PEERING):
        clean = seen(view, Bend(at(Stage.CONNECT, clients="b"), SILENT))
        admitted = view.brokers and view.client != "b"
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if admitted and o.target.role is Role.FORBIDDEN and o.target.port == 9098
            else o
            for o in clean.outcomes
        )
        run.append(Seen(view=view, checks=judge(view, Evidence(bent)), outcomes=bent))
    found = {frozenset(finding.codes): set(finding.clients) for finding in diagnose(run).findings}
    assert found[one(Code.ISOLATION_PORTS_OPEN)] == {"a", "c"}
    assert [clients for codes, clients in found.items() if Code.SECURITY_CLIENT_GROUP in codes] == [{"b"}]


@pytest.mark.parametrize(
    ("sent_again", "lost_syn", "code"),
    [(5, False, Code.UNKNOWN), (1, False, Code.TCP_PACKET_LOSS), (5, True, Code.TCP_PACKET_LOSS)],
)
def test_a_small_packet_lost_each_time_it_was_sent_is_not_lost_by_chance(
    sent_again: int, lost_syn: bool, code: Code
) -> None:
    """Others speak with the broker, and it is no matter of size: a cause that the catalogue does not have."""

    def repeated(o: Outcome) -> Outcome:
        return outcome(o.stage, o.target, facts=ConnectFacts(tcp=TcpInfo(retransmitted_segments=1)))

    tcp = TcpInfo(unacknowledged_segments=1, retransmitted_segments=sent_again)
    bends = [
        *([Bend(at(Stage.CONNECT, clients="b", brokers=[1]), repeated)] if lost_syn else []),
        Bend(at(Stage.HANDSHAKE, clients="b", brokers=[3]), handshake(Reason.TIMED_OUT, problems=(), tcp=tcp)),
    ]
    diagnosis = diagnosis_of(views_of(PEERING), *bends)
    [found] = [f for f in diagnosis.findings if f.stage is Stage.HANDSHAKE]
    assert (found.codes, found.clients, found.broker_ids) == ((code,), ("b",), (3,))


def test_another_way_past_a_load_balancer_does_not_tell_its_clients_apart() -> None:
    run = []
    for view in views_of(SINGLE):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if view.client == "b" and o.target.role is Role.FORBIDDEN
            else o
            for o in clean.outcomes
        )
        run.append(Seen(view=view, checks=judge(view, Evidence(bent)), outcomes=bent))
    silent = [f for f in diagnose(run).findings if Code.SECURITY_BROKER_GROUP in f.codes]
    assert [set(f.clients) for f in silent] == [set("abort")]
