"""What is counted and what is said of it: records, samples, errors, log lines."""

from __future__ import annotations

import base64
import logging

import pytest
from confluent_kafka import KafkaError
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.probes.ledger import Ledger
from brokerproof.probes.librdkafka import LOG_LINE_CHARACTERS, LOG_LINES, ClientLog, Settings, reason_of
from brokerproof.probes.observation import failed, ok
from brokerproof.probes.outcome import (
    STAGE_REASONS,
    Measured,
    Outcome,
    Reason,
    Role,
    SampleBlock,
    Stage,
    Status,
    Target,
)
from brokerproof.probes.outcome.distribution import distribution
from brokerproof.probes.plan import Limits, Tls
from brokerproof.probes.spending import Used
from brokerproof.probes.stages.consume import count
from brokerproof.probes.stages.produce import record_value
from brokerproof.probes.topic import spread
from tests.examples import examples

NONCE = "0123456789ab"
VALUES = {10: b"0123456789ab/0/0/", 11: b"0123456789ab/0/1/", 13: b"0123456789ab/0/2/"}
EXACT = list(VALUES.items())


@pytest.mark.parametrize(
    ("came", "received", "duplicated", "altered"),
    [
        (EXACT, 3, 0, 0),
        ([*EXACT[:2], (12, b"somebody else's"), EXACT[2]], 3, 0, 0),
        (EXACT[1:], 2, 0, 0),
        ([], 0, 0, 0),
        ([*EXACT, (14, VALUES[13])], 3, 1, 0),
        ([EXACT[0], *EXACT], 3, 1, 0),
        ([EXACT[0], (11, b"0123456789ab/0/1!"), EXACT[2]], 3, 0, 1),
        ([EXACT[0], (11, None), EXACT[2]], 3, 0, 1),
    ],
    ids=["exact", "a stranger between", "one lost", "all lost", "sent twice", "read twice", "altered", "emptied"],
)
def test_records_are_compared_offset_by_offset(
    came: list[tuple[int, bytes | None]], received: int, duplicated: int, altered: int
) -> None:
    tally = count(VALUES, came, NONCE.encode())
    assert (len(tally.received), tally.duplicated, len(tally.altered)) == (received, duplicated, altered)


@given(st.integers(0, 99), st.integers(0, 999), st.integers(0, 2000))
def test_a_record_has_its_size_and_begins_with_the_nonce(partition: int, index: int, size: int) -> None:
    value = record_value(NONCE, partition, index, size)
    head = f"{NONCE}/{partition}/{index}/".encode()
    assert value.startswith(head)
    assert len(value) == max(size, len(head))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60, unique=True), st.integers(1, 5))
def test_partition_i_is_led_by_the_ith_broker(brokers: list[int], replication_factor: int) -> None:
    replicas = spread(brokers, replication_factor)
    assert [each[0] for each in replicas] == brokers
    assert {len(each) for each in replicas} == {min(replication_factor, len(brokers))}
    assert all(len(set(each)) == len(each) for each in replicas)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (0, (False, False, False)),
        (19, (False, False, False)),
        (20, (True, False, False)),
        (199, (True, False, False)),
        (200, (True, True, False)),
        (999, (True, True, False)),
        (1000, (True, True, True)),
    ],
)
def test_a_percentile_needs_ten_samples_beyond_it(samples: int, said: tuple[bool, bool, bool]) -> None:
    summary = distribution([1_000_000] * samples)
    assert summary.samples == samples
    assert tuple(each is not None for each in (summary.p50_ns, summary.p95_ns, summary.p99_ns)) == said


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.integers(1_000, 10**10), min_size=1, max_size=50))
def test_a_distribution_is_ordered_and_its_histogram_decodes(some: list[int]) -> None:
    samples = (some * 1000)[:1000]
    summary = distribution(samples)
    assert summary.p50_ns is not None
    assert summary.p95_ns is not None
    assert summary.p99_ns is not None
    assert summary.p50_ns <= summary.p95_ns <= summary.p99_ns
    # Three significant figures, upwards.
    assert summary.min_ns == min(samples)
    assert summary.p99_ns <= summary.max_ns * 1.001 + 1000
    assert base64.b64decode(summary.hdr)
    assert HdrHistogram.decode(summary.hdr).get_total_count() == 1000


@pytest.mark.parametrize(
    ("code", "stage", "reason"),
    [
        (KafkaError.NOT_LEADER_FOR_PARTITION, Stage.PRODUCE, Reason.NOT_LEADER),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, Stage.PRODUCE, Reason.NOT_ENOUGH_REPLICAS),
        (KafkaError.NOT_ENOUGH_REPLICAS, Stage.GROUP, Reason.KAFKA_ERROR),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Stage.CONSUME, Reason.NOT_AUTHORIZED),
        (KafkaError._MSG_TIMED_OUT, Stage.PRODUCE, Reason.TIMED_OUT),
        (KafkaError._SSL, Stage.PRODUCE, Reason.TRANSPORT),
        (KafkaError._RESOLVE, Stage.CONSUME, Reason.TRANSPORT),
        (KafkaError.NOT_COORDINATOR, Stage.GROUP, Reason.COORDINATOR_UNAVAILABLE),
        (KafkaError.INVALID_REQUIRED_ACKS, Stage.PRODUCE, Reason.KAFKA_ERROR),
    ],
)
def test_client_errors_have_reasons_of_their_stage(code: int, stage: Stage, reason: Reason) -> None:
    assert reason_of(KafkaError(code), STAGE_REASONS[stage]) is reason


def test_the_client_log_is_bounded_and_told_by_endpoint() -> None:
    log = ClientLog()
    for index in range(LOG_LINES):
        log.log(logging.INFO, "FAIL [%s] ssl://b-1:9094/1: number %d %s", "thrd", index, "x" * 1000)
    log.log(logging.INFO, "FAIL ssl://b-2:9094/2: refused")
    log.log(logging.INFO, "about nobody, 100% sure")
    assert len(log.all()) == LOG_LINES
    assert max(map(len, log.all())) == LOG_LINE_CHARACTERS
    about_2 = log.about(Target(role=Role.BROKER, name="b-2", port=9094, broker_id=2))
    assert about_2 == ("FAIL ssl://b-2:9094/2: refused", "about nobody, 100% sure")


def test_what_the_client_says_for_debugging_is_counted_and_not_kept() -> None:
    log = ClientLog()
    log.log(logging.DEBUG, "CONNECT b-1:9098/1: Connecting to ipv4#10.0.0.10:9098 (sasl_ssl) with socket 7")
    log.log(logging.DEBUG, "CONNECT b-1:9098/1: Connected to ipv4#10.0.0.10:9098")
    log.log(logging.DEBUG, "STATE b-1:9098/1: Broker changed state AUTH_HANDSHAKE -> AUTH_REQ")
    log.note_records(3, 100)
    assert log.all() == ()
    assert log.used == Used(connections=1, authentications=1, records=3, record_bytes=300)


def test_a_measuring_producer_never_retries() -> None:
    common = Settings("b-1:9094", Tls(ca_file="/ca.pem"), Limits())
    config = common.producer(ClientLog(), limit_ms=100)
    assert (config["retries"], config["acks"], config["enable.idempotence"]) == (0, "all", False)
    assert (config["security.protocol"], config["ssl.ca.location"]) == ("ssl", "/ca.pem")
    assert Settings("b-1:9092", None, Limits()).common(ClientLog(), limit_ms=1)["security.protocol"] == "plaintext"


def test_a_ledger_takes_the_first_outcome_of_a_stage_and_none_once_sealed() -> None:
    emitted: list[Outcome | SampleBlock] = []
    ledger = Ledger(emitted.append)
    target = Target(role=Role.BROKER, name="b-1")
    ledger.settle(Stage.RESOLVE, target, ok())
    ledger.settle(Stage.RESOLVE, target, failed(Reason.TIMED_OUT, "late"))
    ledger.seal()
    ledger.settle(Stage.CONNECT, target, ok())
    ledger.samples([SampleBlock(what=Measured.CONNECT, target=target, warm_up=False, samples=0, columns="")])
    assert ledger.sample_blocks == 0
    assert [(each.stage, each.status) for each in emitted if isinstance(each, Outcome)] == [(Stage.RESOLVE, Status.OK)]
    assert len(ledger) == 1
