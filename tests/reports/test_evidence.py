"""What the probe saw, in words: certificates, DNS answers, one line an outcome."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.probes.outcome import (
    ApiFacts,
    ConnectFacts,
    ConsumeFacts,
    Facts,
    GroupFacts,
    HandshakeFacts,
    HostLoad,
    IdentityFacts,
    IdleFacts,
    MetadataFacts,
    Outcome,
    PathLatencyFacts,
    PathSizeFacts,
    ProduceFacts,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
    Target,
    TcpInfo,
)
from brokerproof.reports.document import ClientResult
from brokerproof.reports.evidence import certificates, dns_answers, seen
from brokerproof.reports.timings import (
    CONNECT,
    END_TO_END,
    PRODUCE_ACK,
    RESOLVE,
    disturbances,
    latency_rows,
    slowest,
    throughput_rows,
)
from tests.reports.builder import STARTED, client_result, distribution
from tests.reports.path import view


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (None, ""),
        (
            ResolveFacts(resolver="10.1.0.2", rcode="NOERROR", a=("10.1.0.10",), os_addresses=("10.1.0.10",), ttl_s=60),
            "NOERROR · 10.1.0.10 · TTL 60 s · from 10.1.0.2",
        ),
        (
            ResolveFacts(resolver="10.1.0.2", rcode="NOERROR", a=("10.1.0.10",), os_addresses=("10.0.0.11",)),
            "NOERROR · 10.1.0.10 · from 10.1.0.2 · operating system: 10.0.0.11",
        ),
        (
            ResolveFacts(resolver="10.1.0.2", rcode="NXDOMAIN", soa="amazonaws.com", os_error="EAI_NONAME"),
            "NXDOMAIN · from 10.1.0.2 · zone amazonaws.com",
        ),
        (ConnectFacts(local_address="10.1.0.50", local_port=4242), "from 10.1.0.50:4242"),
        (ConnectFacts(errno="ECONNREFUSED"), "ECONNREFUSED"),
        (ConnectFacts(tcp=TcpInfo(rtt_us=250, retransmitted_segments=1)), "RTT 0.250 ms · 1 segment sent again"),
        (
            HandshakeFacts(sni="b-1", tcp=TcpInfo(retransmitted_segments=2, unacknowledged_segments=1)),
            "2 segments sent again · 1 segment not acknowledged",
        ),
        (
            HandshakeFacts(sni="b-1", tls_version="TLSv1.3", subject="CN=b-1", verify_errors=("10@0 expired",)),
            "TLSv1.3 · CN=b-1 · 10@0 expired",
        ),
        (ApiFacts(api_count=1), "1 API"),
        (ApiFacts(error_code=35), "0 APIs · Kafka error code 35"),
        (MetadataFacts(), "advertises no broker"),
        (MetadataFacts(throttle_time_ms=1500), "advertises no broker · held back 1,500 ms by a quota"),
        (
            PathSizeFacts(to_broker_passed_bytes=1280, to_broker_stopped_bytes=1400, to_client_passed_bytes=196),
            "to the broker 1,280 B passed, 1,400 B not · to the client 196 B passed",
        ),
        (IdleFacts(silent_ms=360_000, asked=True), "silent for 6 min 0 s"),
        (IdleFacts(silent_ms=1500), "silent for 1,500 ms, then it ended"),
        (PathSizeFacts(to_broker_stopped_bytes=1280), "to the broker nothing passed, 1,280 B not"),
        (IdentityFacts(answered_by=2), "broker 2 answered"),
        (
            ProduceFacts(topic="t", partition=0, leader_id=2, records=5, acknowledged=3, error_name="_TIMED_OUT"),
            "leader 2 · 3 of 5 records acknowledged · _TIMED_OUT",
        ),
        (
            ConsumeFacts(topic="t", partition=0, leader_id=2, expected=5, received=6, duplicated=1),
            "leader 2 · 6 of 5 records back · 1 duplicated",
        ),
        (
            GroupFacts(group="g", coordinator_id=3, assigned_partitions=3, received=15, committed=3),
            "coordinator 3 · 3 partitions assigned · 15 received · 3 committed",
        ),
    ],
)
def test_one_line_an_outcome(facts: Facts | None, expected: str) -> None:
    assert seen(facts) == expected


def test_one_certificate_is_one_row_wherever_it_was_seen() -> None:
    (row,) = certificates(client_result(view()), STARTED)
    assert row.remaining == "262 days left"
    assert row.judged == "chain good, name good, dates good"
    assert not row.is_bad
    assert len(row.seen_at) == 3
    assert row.tls == ("TLSv1.3 TLS_AES_256_GCM_SHA384",)


def test_one_bad_connection_makes_a_certificate_bad() -> None:
    (row,) = certificates(client_result(view(), {(2, Stage.HANDSHAKE): Reason.NAME_MISMATCH}), STARTED)
    assert row.judged == "chain good, name bad, dates good"
    assert row.is_bad


@pytest.mark.parametrize(
    ("not_after", "remaining"),
    [
        ("2026-03-15T10:00:00Z", "1 day left"),
        ("2026-03-14T10:00:00Z", "0 days left"),
        ("2026-03-14T09:00:00Z", "expired"),
        ("2026-03-04T09:26:53Z", "expired 11 days before the run"),
        ("2026-03-15T10:00:00", "1 day left"),
        ("", ""),
        ("soon", ""),
    ],
)
def test_days_left_are_counted_from_the_run(not_after: str, remaining: str) -> None:
    def with_end(result: ClientResult) -> ClientResult:
        changed = tuple(
            msgspec.structs.replace(one, facts=msgspec.structs.replace(one.facts, not_after=not_after))
            if isinstance(one.facts, HandshakeFacts)
            else one
            for one in result.outcomes
        )
        return msgspec.structs.replace(result, outcomes=changed)

    (row,) = certificates(with_end(client_result(view())), STARTED)
    assert row.remaining == remaining


def test_dns_answers_are_listed_once_a_name() -> None:
    rows = dns_answers(client_result(view(), {(2, Stage.RESOLVE): Reason.NXDOMAIN}))
    assert [(row.rcode, row.answer, row.os_answer) for row in rows] == [
        ("NOERROR", ("10.1.0.11", "10.1.1.11", "10.1.2.11"), ""),
        ("NXDOMAIN", (), "EAI_NONAME"),
        ("NOERROR", ("10.1.0.13", "10.1.1.13", "10.1.2.13"), ""),
    ]


def test_timings_are_grouped_by_what_was_timed_then_by_broker() -> None:
    rows = latency_rows(client_result(view(), samples=1_000))
    assert [(row.what, row.subject) for row in rows] == [
        (what, f"broker-{number}") for what in (PRODUCE_ACK, END_TO_END) for number in (1, 2, 3)
    ]
    worst = slowest(rows, PRODUCE_ACK)
    assert worst is not None
    assert worst.subject == "broker-3"


def timed_path(address: str, late_ns: int = 0, steal_share: float = 0.0) -> Outcome:
    return Outcome(
        stage=Stage.LATENCY,
        target=Target(role=Role.BROKER, name="b-1", address=address, port=9094, broker_id=1),
        status=Status.OK,
        started_ns=0,
        duration_ns=1,
        facts=PathLatencyFacts(
            warm_up_samples=5,
            connect=distribution(100),
            connect_scheduled=distribution(100, 2),
            resolve=distribution(100),
            resolve_scheduled=distribution(100),
            host=HostLoad(busy_share=0.5, steal_share=steal_share, late_mean_ns=late_ns, late_max_ns=late_ns),
        ),
    )


def test_connections_are_told_by_address_and_a_name_once() -> None:
    result = msgspec.structs.replace(client_result(view()), outcomes=(timed_path("10.1.0.11"), timed_path("10.1.0.12")))
    rows = latency_rows(result)
    assert [(row.what, row.address) for row in rows] == [
        (CONNECT, "10.1.0.11"),
        (CONNECT, "10.1.0.12"),
        (RESOLVE, ""),
    ]
    assert rows[0].scheduled is not None
    assert rows[0].scheduled.max_ns > rows[0].distribution.max_ns
    assert disturbances(result) == ()


@pytest.mark.parametrize(
    ("late_ns", "steal_share", "says"),
    [(2_000_000, 0.0, "samples began 2.00 ms late"), (0, 0.5, "the host's hypervisor took 50%")],
    ids=["late", "steal"],
)
def test_a_disturbed_measurement_says_so(late_ns: int, steal_share: float, says: str) -> None:
    result = msgspec.structs.replace(client_result(view()), outcomes=(timed_path("10.1.0.11", late_ns, steal_share),))
    (sentence,) = disturbances(result)
    assert says in sentence


def test_without_percentiles_the_slowest_is_judged_by_its_maximum() -> None:
    worst = slowest(latency_rows(client_result(view(), samples=10)), END_TO_END)
    assert worst is not None
    assert (worst.subject, worst.p99, worst.max) == ("broker-3", "n=10 is too few", "94.2 ms")


def test_no_sample_has_no_maximum() -> None:
    (row, *_) = latency_rows(client_result(view(), samples=10))
    empty = msgspec.structs.replace(row, distribution=distribution(0))
    assert empty.max == "n=0 is too few"


def test_no_measurement_has_no_row() -> None:
    assert latency_rows(client_result(view())) == ()
    assert slowest((), PRODUCE_ACK) is None
    assert throughput_rows(client_result(view())) == ()
