"""Shapes that the lab showed and the diagnosis once mistook for another cause."""

from __future__ import annotations

import pytest

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.probes.outcome import IdleFacts, LookupFailure, Outcome, Reason, Role, Stage, TcpInfo
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import (
    AT_ENDPOINT_B,
    EVERYONE,
    MULTI,
    NO_NAME,
    OUTSIDE,
    PEERING,
    SILENT,
    SINGLE,
    SOA,
    Named,
    handshake,
    in_zone,
    named,
    one,
    resolver,
    sent_again,
)
from tests.diagnosis.bent import Bend, answers, at, diagnosis_of, failed, views_of


def on_b_1(_view: ClientView, o: Outcome) -> bool:
    return o.target.role is Role.BOOTSTRAP and o.target.name[:3] == "b-1"


def not_in_zone_1(view: ClientView, o: Outcome) -> bool:
    return {a.address: a.zone_id for b in view.brokers for a in b.addresses}[o.target.address] != "use1-az1"


SEEN_IN_THE_LAB: list[tuple[str, str, list[Bend], Named]] = [
    (
        "no record at all",
        SINGLE,
        [Bend(at(Stage.RESOLVE, clients=OUTSIDE), NO_NAME)],
        [(sets.NO_RECORDS, OUTSIDE, {1, 2, 3})],
    ),
    (
        "no record but one that loops: none was seen, and another zone may hide them",
        SINGLE,
        [
            Bend(at(Stage.RESOLVE, clients=OUTSIDE, brokers=[1, 3]), NO_NAME),
            Bend(at(Stage.RESOLVE, clients=OUTSIDE, brokers=[2]), resolver(Reason.SERVFAIL, rcode="SERVFAIL")),
        ],
        [
            (sets.NO_RECORDS, OUTSIDE, {1, 3}),
            (one(Code.DNS_CNAME_LOOP, Code.DNS_RESOLVER_FAILING, Code.DNS_RESOLVER_RULE), OUTSIDE, {2}),
        ],
    ),
    (
        "a public name hidden by a zone or a rule",
        PEERING,
        [Bend(at(Stage.RESOLVE, clients=["peered"]), NO_NAME)],
        [(sets.NAME_HIDDEN, {"peered"}, {1, 2, 3})],
    ),
    (
        "an empty zone of one name",
        SINGLE,
        [
            Bend(
                at(Stage.RESOLVE, clients=["account_b"], brokers=[2]),
                resolver(Reason.NO_DATA, rcode="NOERROR", soa=f"b-2.{SOA}"),
            )
        ],
        [(one(Code.DNS_MORE_SPECIFIC_ZONE), {"account_b"}, {2})],
    ),
    (
        "a client's subnet closed to other zones, which looks like cross-zone off for one broker",
        SINGLE,
        [Bend(at(Stage.CONNECT, clients=["account_b"], where=not_in_zone_1), SILENT)],
        [(one(Code.SECURITY_NETWORK_ACL), {"account_b"}, {1, 2, 3})],
    ),
    (
        "a client's subnet closed to one zone, while another cause silences a broker everywhere",
        SINGLE,
        [
            Bend(at(Stage.CONNECT, clients=AT_ENDPOINT_B, where=in_zone("use1-az2")), SILENT),
            Bend(at(Stage.CONNECT, brokers=[2]), SILENT),
        ],
        [
            (sets.ONE_BROKER_SILENT, EVERYONE, {2}),
            (one(Code.SECURITY_NETWORK_ACL), AT_ENDPOINT_B, {1, 3}),
        ],
    ),
    (
        "proxy protocol before Java's TLS",
        SINGLE,
        [Bend(at(Stage.HANDSHAKE), handshake(Reason.ALERT, problems=(), alert="80 internal error", alert_number=80))],
        [(one(Code.NLB_PROXY_PROTOCOL, Code.TLS_LISTENER_FAILING, Code.TLS_INSPECTED), EVERYONE, {1, 2, 3})],
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
        [(one(Code.CLUSTER_BROKER_UNRESPONSIVE), EVERYONE, {2})],
    ),
    (
        "a frozen broker whose accept queue is full when the last client comes",
        SINGLE,
        [
            Bend(at(Stage.CONNECT, clients=["remote_by_gateway"], brokers=[2]), SILENT),
            Bend(
                at(Stage.CONNECT, clients=["remote_by_gateway"], where=on_b_1),
                SILENT,
            ),
            Bend(at(Stage.HANDSHAKE, brokers=[2]), handshake(Reason.TIMED_OUT, problems=())),
        ],
        [(one(Code.CLUSTER_BROKER_UNRESPONSIVE), EVERYONE, {2})],
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
        [
            (
                one(
                    Code.NLB_BOOTSTRAP_TARGET_DEAD,
                    Code.NLB_WRONG_TARGET_PORT,
                    Code.TCP_NOT_KAFKA,
                    Code.TCP_CUT_ON_THE_WAY,
                    Code.CLUSTER_CONNECTION_LIMIT,
                ),
                EVERYONE,
                set(),
            )
        ],
    ),
    (
        "one broker slow to answer one client",
        PEERING,
        [Bend(at(Stage.HANDSHAKE, clients=["peered"], brokers=[1]), handshake(Reason.TIMED_OUT, problems=()))],
        [
            (
                one(
                    Code.CLUSTER_BROKER_UNRESPONSIVE,
                    Code.TCP_PATH_MTU,
                    Code.TCP_PACKET_LOSS,
                    Code.TCP_PATH_MEMBER,
                    Code.TCP_CUT_ON_THE_WAY,
                ),
                {"peered"},
                {1},
            )
        ],
    ),
    (
        "the operating system hears nothing of a name, and the probe nothing of another",
        PEERING,
        [
            Bend(at(Stage.RESOLVE, clients=["peered"], brokers=[3]), SILENT),
            Bend(
                at(Stage.RESOLVE, clients=["peered"], brokers=[2]),
                resolver(Reason.OS_RESOLUTION_FAILED, rcode="NOERROR", os_failure=LookupFailure.TIMED_OUT),
            ),
        ],
        [(one(Code.DNS_QUERIES_THROTTLED, Code.TCP_PACKET_LOSS), {"peered"}, {2, 3})],
    ),
    (
        "the private zone is used by nobody, the local client among them",
        SINGLE,
        [
            Bend(at(Stage.RESOLVE, brokers=[1]), answers("10.0.0.10")),
            Bend(at(Stage.RESOLVE, brokers=[2]), answers("10.0.16.10")),
            Bend(at(Stage.RESOLVE, brokers=[3]), answers("10.0.32.10")),
        ],
        [(sets.ZONE_NOT_USED, EVERYONE, {1, 2, 3})],
    ),
    (
        "a shared target that one client meets in its records alone",
        SINGLE,
        [
            Bend(
                at(
                    Stage.IDENTITY,
                    clients=["cluster_vpc", "account_b", "overlapping", "remote_by_gateway"],
                    brokers=[2],
                ),
                failed(Reason.OTHER_BROKER),
            ),
            Bend(at(Stage.PRODUCE, clients=["remote_by_peering"], brokers=[2]), SILENT),
        ],
        [(one(Code.NLB_WRONG_TARGET), {"cluster_vpc", "account_b", "overlapping", "remote_by_gateway"}, {2})],
    ),
    (
        "connections are forgotten where no load balancer is",
        PEERING,
        [Bend(at(Stage.IDLE, clients=["peered"]), failed(Reason.RESET, IdleFacts(silent_ms=1, asked=True)))],
        [(one(Code.TCP_TRACKING_TIMEOUT, Code.TCP_DEVICE_TIMEOUT), {"peered"}, {1, 2, 3})],
    ),
    (
        "TLS reset for one client alone",
        MULTI,
        [Bend(at(Stage.HANDSHAKE, clients=["account_b"]), handshake(Reason.RESET, problems=()))],
        [(one(Code.TCP_CUT_ON_THE_WAY, Code.CLUSTER_CONNECTION_LIMIT), {"account_b"}, {1, 2, 3})],
    ),
]


@pytest.mark.parametrize(
    ("pattern", "bends", "expected"), [c[1:] for c in SEEN_IN_THE_LAB], ids=[c[0] for c in SEEN_IN_THE_LAB]
)
def test_shapes_that_were_mistaken_once(pattern: str, bends: list[Bend], expected: Named) -> None:
    assert named(diagnosis_of(views_of(pattern), *bends)) == expected


@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("lost_syn", [False, True])
def test_a_small_packet_lost_each_time_it_was_sent_is_a_set(times: int, *, lost_syn: bool) -> None:
    """Others speak with the broker: losses are not independent where one of several equal paths is broken."""
    tcp = TcpInfo(unacknowledged_segments=1, retransmitted_segments=times)
    bends = [
        *([Bend(at(Stage.CONNECT, clients=["peered"], brokers=[1]), sent_again)] if lost_syn else []),
        Bend(at(Stage.HANDSHAKE, clients=["peered"], brokers=[3]), handshake(Reason.TIMED_OUT, problems=(), tcp=tcp)),
    ]
    diagnosis = diagnosis_of(views_of(PEERING), *bends)
    [found] = [f for f in diagnosis.findings if f.stage is Stage.HANDSHAKE]
    assert set(found.codes) == {Code.TCP_PACKET_LOSS, Code.TCP_PATH_MEMBER, Code.TCP_CUT_ON_THE_WAY}
    assert (found.clients, found.broker_ids) == (("peered",), (3,))
    assert found.next_step


@pytest.mark.parametrize(
    "facts", [{"bytes_received": 133}, {"first_bytes": r"\x16\x03\x03\x00z\x02"}], ids=["begun", "late"]
)
def test_a_broker_that_began_to_answer_one_client_is_not_mute(facts: dict[str, object]) -> None:
    """A busy host: it kept all clients waiting, and was heard by one."""
    bends = [
        Bend(at(Stage.HANDSHAKE, clients=["peered"], brokers=[2]), handshake(Reason.TIMED_OUT, problems=(), **facts)),
        Bend(at(Stage.HANDSHAKE, brokers=[2]), handshake(Reason.TIMED_OUT, problems=())),
    ]
    found = diagnosis_of(views_of(PEERING), *bends).findings
    assert [set(f.codes) for f in found if len(f.codes) == 1] == []
    assert {code for f in found for code in f.codes} == {
        Code.CLUSTER_BROKER_UNRESPONSIVE,
        Code.TCP_PATH_MTU,
        Code.TCP_PACKET_LOSS,
        Code.TCP_PATH_MEMBER,
        Code.TCP_CUT_ON_THE_WAY,
    }


def test_a_bootstrap_target_is_not_dead_for_sure_where_brokers_are_late_too() -> None:
    """A busy machine: handshakes were late at the bootstrap name, and one at a broker's own port as well."""
    bends = [
        Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.TIMED_OUT, problems=())),
        Bend(
            at(Stage.HANDSHAKE, clients=["overlapping"], brokers=[3], where=not_in_zone_1),
            handshake(Reason.TIMED_OUT, problems=(), bytes_received=133),
        ),
    ]
    found = diagnosis_of(views_of(SINGLE), *bends).findings
    of_bootstrap = [f for f in found if f.subjects == ("bootstrap",) and "account_b" in f.clients]
    assert [set(f.codes) for f in of_bootstrap] == [
        {Code.NLB_BOOTSTRAP_TARGET_DEAD, Code.TCP_PACKET_LOSS, Code.TCP_PATH_MEMBER}
    ]
