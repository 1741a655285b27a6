"""Advice of Kafka clients: what the probe takes, and older or otherwise configured clients do not."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.diagnosis.advice.advice import AdviceCode
from brokerproof.diagnosis.advice.text import told
from brokerproof.diagnosis.finding import Answer
from brokerproof.probes.outcome import ApiFacts, IdentityFacts, IdleFacts, MetadataFacts, Outcome, Reason, Stage
from tests.diagnosis.bends import IN_VPC
from tests.diagnosis.bent import Bend, Change, at, diagnosis_of, failed, views_of
from tests.diagnosis.perfect import outcome

SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector"


def offering(list_offsets: int) -> Bend:
    facts = ApiFacts(api_count=60, produce_min_version=0, list_offsets_min_version=list_offsets, produce_max_version=12)
    return Bend(at(Stage.API), lambda o: outcome(o.stage, o.target, facts=facts))


def racks(*named: str | None) -> Bend:
    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        brokers = tuple(msgspec.structs.replace(b, rack=rack) for b, rack in zip(o.facts.brokers, named, strict=True))
        return outcome(o.stage, o.target, facts=msgspec.structs.replace(o.facts, brokers=brokers))

    return Bend(at(Stage.METADATA), change)


def selecting(name: str) -> Bend:
    def change(o: Outcome) -> Outcome:
        return outcome(o.stage, o.target, facts=IdentityFacts(answered_by=o.target.broker_id, replica_selector=name))

    return Bend(at(Stage.IDENTITY), change)


def idle(reason: Reason, *, works_anew: bool) -> Bend:
    change: Change = failed(reason, IdleFacts(silent_ms=360_000, asked=True, works_anew=works_anew))
    return Bend(at(Stage.IDLE, brokers=[2]), change)


IDS, NAMES = ("use1-az1", "use1-az2", "use1-az4"), ("us-east-1a", "us-east-1b", "us-east-1c")


@pytest.mark.parametrize(
    ("bends", "codes"),
    [
        ([offering(0)], []),
        ([offering(-1)], []),
        ([offering(1)], [AdviceCode.KAFKA_OLD_VERSIONS]),
        ([racks(*IDS)], []),
        ([racks(*IDS), selecting(SELECTOR)], [AdviceCode.KAFKA_RACKS_ARE_IDS]),
        ([racks("rack-1", "rack-2", "rack-3"), selecting(SELECTOR)], []),
        ([racks(None, None, None), selecting(SELECTOR)], []),
        ([racks(*NAMES)], [AdviceCode.KAFKA_RACKS_ARE_NAMES]),
        ([idle(Reason.TIMED_OUT, works_anew=True)], [AdviceCode.KAFKA_IDLE_CUT]),
        ([idle(Reason.RESET, works_anew=True)], [AdviceCode.KAFKA_IDLE_CUT]),
        ([idle(Reason.TIMED_OUT, works_anew=False)], []),
        ([idle(Reason.CLOSED, works_anew=True)], []),
    ],
)
def test_each_has_its_own_sign(bends: list[Bend], codes: list[AdviceCode]) -> None:
    assert [advice.code for advice in diagnosis_of(views_of(IN_VPC), *bends).advices] == codes


def test_it_changes_no_answer() -> None:
    diagnosis = diagnosis_of(views_of(IN_VPC), offering(1), racks(*NAMES))
    assert (diagnosis.answer, diagnosis.findings) == (Answer.NOTHING_WRONG, ())


def test_the_trap_of_produce_is_named() -> None:
    [advice] = diagnosis_of(views_of(IN_VPC), offering(1)).advices
    words = dict(told(advice))
    assert words["observed"] == (
        "ListOffsets is offered from version 1 on, and Produce from version 0 on, though such brokers understand "
        "version 3 and later alone"
    )
    assert words["who fails"] == (
        "The path is right; Burrow up to 1.9.3, Metricbeat up to 9.0.0 (both send ListOffsets v0) and producers that "
        "send Produce v0 to v2 without asking fail on it, because the broker ends the connection on a version that is "
        "gone, and says why in its own log alone; what it advertises of Produce is wrong on purpose, for librdkafka's "
        "sake."
    )


def test_the_racks_are_told() -> None:
    [advice] = diagnosis_of(views_of(IN_VPC), racks(*IDS), selecting(SELECTOR)).advices
    assert advice.observed == "the brokers' racks are use1-az1, use1-az2, use1-az4"


def test_an_idle_connection_that_was_cut_is_told_beside_its_finding() -> None:
    diagnosis = diagnosis_of(views_of(IN_VPC), idle(Reason.TIMED_OUT, works_anew=True))
    [advice] = diagnosis.advices
    assert len(diagnosis.findings) == 1
    assert advice.observed == (
        "after 360 s of silence a request is not answered, and on a new connection it is answered"
    )
