"""What is said of a change: by its facts, by clients that lived through it, with and without a declaration."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.change.declaration import NOTHING, Declaration, DeclarationError, load_declaration
from brokerproof.change.facts import Fact, FactKind, facts_of
from brokerproof.change.judgement import Answer, Judgement, Standing, compare_facts, judge_change
from brokerproof.change.look import Look, look_of
from brokerproof.change.paired import Paired, check_beside, paired_of
from brokerproof.change.report import html, junit, lines_of
from brokerproof.comparison.values import Claim, Compared, Contrast, Estimate, Party
from brokerproof.errors import WrongUseError
from brokerproof.probes.outcome import (
    AuthenticateFacts,
    HandshakeFacts,
    IdentityFacts,
    Measured,
    Outcome,
    ResolveFacts,
    Stage,
)
from brokerproof.probes.survival.values import (
    Attempt,
    Client,
    FreshSurvival,
    Gap,
    IdleSurvival,
    LeaderSurvival,
    NameSeen,
    SurvivalReport,
)
from tests.canary.made import CLIENT, TOPOLOGY, VIEW, dead_broker, run_of, well
from tests.diagnosis.perfect import bend

BEGAN = 1_700_000_000.0
OF_BROKER_1 = next(each.addresses[0].address for each in VIEW.brokers if each.broker_id == 1)
LIBRARY = Client(library="librdkafka")
CALM = SurvivalReport(
    client=CLIENT,
    began=BEGAN - 5,
    ended=BEGAN + 20,
    leaders=tuple(
        LeaderSurvival(broker_id=b.broker_id, acknowledged=1000, failed=0, usual_ms=25) for b in VIEW.brokers
    ),
    fresh=(FreshSurvival(broker_id=1, address=OF_BROKER_1, attempts=25),),
    idle=(IdleSurvival(broker_id=1, address=OF_BROKER_1),),
    names=(NameSeen(at=BEGAN - 6, name="b-1", addresses=(OF_BROKER_1,)),),
    producer=LIBRARY,
    consumer=LIBRARY,
    sent=3000,
    acknowledged=3000,
    received=3000,
    lost=0,
    duplicated=0,
    out_of_order=0,
    rebalances=0,
    host_late_ms=0,
)


def seen(outcomes: tuple[Outcome, ...]) -> Look:
    return look_of([run_of(outcomes)], BEGAN)


def with_certificate(outcomes: tuple[Outcome, ...], sha256: str) -> tuple[Outcome, ...]:
    facts = HandshakeFacts(sni="b", sha256=sha256, not_after="2027-01-01T00:00:00+00:00", tls_version="TLSv1.3")
    return bend(
        outcomes, lambda each: each.stage is Stage.HANDSHAKE, lambda each: msgspec.structs.replace(each, facts=facts)
    )


WELL = with_certificate(well(), "aa")
BEFORE = seen(WELL)


def judged(
    after: Look = BEFORE,
    survival: SurvivalReport = CALM,
    declared: Declaration = NOTHING,
    *,
    before: Look = BEFORE,
    command_failed: str = "",
) -> Judgement:
    return judge_change(
        before,
        after,
        (survival,),
        declared,
        command_began=BEGAN,
        command_ended=BEGAN + 5,
        command_failed=command_failed,
    )


def may_differ(**kinds: object) -> Declaration:
    return Declaration.model_validate({"change": "a test", "may_differ": kinds})


def interrupted(**may: object) -> Declaration:
    return Declaration.model_validate({"interruption": may})


def test_no_change_is_accepted() -> None:
    judgement = judged()
    assert judgement.answer is Answer.ACCEPTED
    assert not judgement.whys
    assert {each.standing for each in judgement.compared if each.before} == {Standing.UNCHANGED}


def other_addresses(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    name = VIEW.brokers[0].name

    def change(outcome: Outcome) -> Outcome:
        assert isinstance(outcome.facts, ResolveFacts)
        two = outcome.facts.a[:2]
        return msgspec.structs.replace(outcome, facts=msgspec.structs.replace(outcome.facts, a=two, os_addresses=two))

    return bend(outcomes, lambda each: each.stage is Stage.RESOLVE and each.target.name == name, change)


def test_an_undeclared_fact_rejects_and_a_declared_one_does_not() -> None:
    after = Look(at=BEGAN, facts=facts_of(VIEW, other_addresses(WELL)))
    rejected = judged(after)
    assert rejected.answer is Answer.REJECTED
    assert {why.title for why in rejected.whys} == {
        "addresses of broker-1 changed, which was not declared",
    }
    assert judged(after, declared=may_differ(addresses=["broker-1"])).answer is Answer.ACCEPTED
    assert judged(after, declared=may_differ(addresses="all")).answer is Answer.ACCEPTED
    assert judged(after, declared=may_differ(addresses=["broker-2"])).answer is Answer.REJECTED


@pytest.mark.parametrize("kind", [FactKind.CERTIFICATES, FactKind.BROKERS])
def test_each_kind_of_fact_is_compared(kind: FactKind) -> None:
    match kind:
        case FactKind.CERTIFICATES:
            outcomes = with_certificate(well(), "bb")
        case _:
            outcomes = bend(
                WELL,
                lambda each: each.stage is Stage.IDENTITY and each.target.broker_id == 1,
                lambda each: msgspec.structs.replace(each, facts=IdentityFacts(answered_by=2)),
            )
    after = Look(at=BEGAN, facts=facts_of(VIEW, outcomes))
    judgement = judged(after)
    assert judgement.answer is Answer.REJECTED
    assert {each.kind for each in judgement.compared if each.standing is Standing.UNDECLARED} == {kind}
    assert judged(after, declared=may_differ(**{kind.value: "all"})).answer is Answer.ACCEPTED


def logged_in(principal: str) -> Look:
    first = next(each for each in WELL if each.stage is Stage.IDENTITY)
    facts = AuthenticateFacts(mechanism="SCRAM-SHA-512", principal=principal)
    login = msgspec.structs.replace(first, stage=Stage.AUTHENTICATE, facts=facts)
    return Look(at=BEGAN, facts=facts_of(VIEW, (*WELL, login)))


def test_who_the_client_is_to_the_cluster_is_compared() -> None:
    before, after = logged_in("User:app"), logged_in("User:other")
    assert judged(logged_in("User:app"), before=before).answer is Answer.ACCEPTED
    [why] = judged(after, before=before).whys
    assert why.title == "principal of cluster changed, which was not declared"
    assert why.detail == "before: User:app; after: User:other"
    assert judged(after, before=before, declared=may_differ(principal="all")).answer is Answer.ACCEPTED


def test_a_path_that_is_wrong_afterwards_rejects_and_names_the_cause() -> None:
    judgement = judged(seen(dead_broker(2)(WELL)))
    assert judgement.answer is Answer.REJECTED
    assert any("change:" in why.detail for why in judgement.whys), "the finding's remedy is told"


def test_a_path_that_was_wrong_before_is_not_comparable() -> None:
    bad = seen(dead_broker(2)(WELL))
    assert judged(before=bad).answer is Answer.NOT_COMPARABLE
    assert judged(bad, before=bad).answer is Answer.REJECTED, "what is wrong afterwards outweighs it"


def test_a_command_that_failed_rejects() -> None:
    assert judged(command_failed="it ended with exit code 3").answer is Answer.REJECTED


def survived(**replaced: object) -> SurvivalReport:
    return msgspec.structs.replace(CALM, **replaced)


def gap(**given: object) -> SurvivalReport:
    found = Gap(**({"broker_id": 2, "began": BEGAN + 1, "lasted_ms": 240.0, "retransmitted": 5} | given))  # type: ignore[arg-type]
    leaders = tuple(
        msgspec.structs.replace(leader, gaps=(found,)) if leader.broker_id == 2 else leader for leader in CALM.leaders
    )
    return survived(leaders=leaders)


FAILED_ONCE = Attempt(at=BEGAN + 2, broker_id=1, address=OF_BROKER_1, why="timed out")


def fresh(*failed: Attempt) -> SurvivalReport:
    return survived(fresh=(msgspec.structs.replace(CALM.fresh[0], failed=failed),))


def idle(ended_at: float) -> SurvivalReport:
    ended = IdleSurvival(broker_id=1, address=OF_BROKER_1, ended_at=ended_at, how="the peer closed it")
    return survived(idle=(ended,))


def undelivered() -> SurvivalReport:
    return survived(leaders=(msgspec.structs.replace(CALM.leaders[0], failed=2),))


NOTICED = [
    ("an outage of 200 ms", gap(), interrupted(outage_ms=500)),
    ("a long pause", gap(retransmitted=0, lasted_ms=4000.0), interrupted(pause_ms=5000)),
    ("records that failed", undelivered(), interrupted(failed_records=2)),
    ("records twice", survived(duplicated=1), interrupted(duplicates=True)),
    ("a connection that failed", fresh(FAILED_ONCE), interrupted(failed_connections=1)),
    ("a connection that ended", idle(BEGAN + 1), interrupted(connections_end=True)),
    ("records lost", survived(lost=1), None),
    ("records out of order", survived(out_of_order=1), None),
]


@pytest.mark.parametrize(("what", "report", "allowing"), NOTICED, ids=[each[0] for each in NOTICED])
def test_what_clients_notice_rejects_unless_it_was_declared(
    what: str, report: SurvivalReport, allowing: Declaration | None
) -> None:
    assert judged(survival=report).answer is Answer.REJECTED, what
    if allowing is not None:
        assert judged(survival=report, declared=allowing).answer is Answer.ACCEPTED, what


@pytest.mark.parametrize(
    "report",
    [
        gap(retransmitted=1),  # a lost packet
        gap(retransmitted=3, unneeded=3),  # acknowledged late
        gap(retransmitted=0, lasted_ms=400.0),  # a broker that paused
        gap(retransmitted=0, lasted_ms=400.0, host_late_ms=300.0),  # this host stood still
        idle(BEGAN + 600),
        fresh(msgspec.structs.replace(FAILED_ONCE, at=BEGAN - 4)),
    ],
    ids=[
        "a lost packet",
        "nothing lost",
        "a short pause",
        "a host that stood still",
        "ten minutes of silence",
        "before the command",
    ],
)
def test_what_is_not_the_changes_rejects_nothing(report: SurvivalReport) -> None:
    assert judged(survival=report).answer is Answer.ACCEPTED


FAILED_LATE = msgspec.structs.replace(FAILED_ONCE, lasted_ms=3000.0, host_late_ms=2000.0)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (gap(retransmitted=0, lasted_ms=9000.0, host_late_ms=8900.0), "this host stood still for 8.9 s"),
        (gap(retransmitted=7, lasted_ms=4000.0, host_late_ms=2100.0), "this host stood still for 2.1 s"),
        (fresh(FAILED_LATE), "some while this host stood still"),
        (gap(retransmitted=0, lasted_ms=2000.0, lasts=True), "still missing when the clients were ended"),
    ],
    ids=["no acknowledgement", "segments sent again", "a fresh connection", "a pause without an end"],
)
def test_what_nobody_watched_is_not_comparable(report: SurvivalReport, words: str) -> None:
    judgement = judged(survival=report)
    assert judgement.answer is Answer.NOT_COMPARABLE
    assert words in " ".join(why.title for why in judgement.whys)


@pytest.mark.parametrize(
    "report",
    [
        gap(retransmitted=7, lasted_ms=200.0, host_late_ms=60.0),
        gap(retransmitted=3, unneeded=2),
        gap(retransmitted=7, lasted_ms=4000.0, host_late_ms=1900.0),
        gap(retransmitted=0, lasted_ms=4000.0, host_late_ms=1900.0),
        gap(retransmitted=7, lasted_ms=4000.0, lasts=True),
        fresh(msgspec.structs.replace(FAILED_LATE, host_late_ms=1400.0)),
        fresh(FAILED_LATE, FAILED_ONCE),
    ],
)
def test_a_host_that_ran_for_most_of_the_time_is_no_excuse(report: SurvivalReport) -> None:
    assert judged(survival=report).answer is Answer.REJECTED


def test_an_outage_before_the_command_makes_it_not_comparable() -> None:
    assert judged(survival=gap(began=BEGAN - 3)).answer is Answer.NOT_COMPARABLE


def test_latency_is_compared_by_a_declared_margin_alone() -> None:
    def timed(median_ms: float) -> Look:
        return msgspec.structs.replace(BEFORE, medians_ms={f"{CLIENT} connect": median_ms})

    declared = Declaration.model_validate({"latency": {"margin": 0.2}})
    assert judged(timed(1.3), before=timed(1.0)).answer is Answer.ACCEPTED
    assert judged(timed(1.3), before=timed(1.0), declared=declared).answer is Answer.REJECTED
    assert judged(timed(1.1), before=timed(1.0), declared=declared).answer is Answer.ACCEPTED
    assert judged(declared=declared).answer is Answer.NOT_COMPARABLE, "it was not measured"
    both = msgspec.structs.replace(BEFORE, medians_ms={f"{CLIENT} connect": 1.0, f"{CLIENT} handshake": 5.0})
    for one, other in ((timed(1.0), both), (both, timed(1.0))):
        [why] = judged(one, before=other, declared=declared).whys
        assert "handshake was not measured" in why.title


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.9, 1.1, Answer.ACCEPTED),
        (1.1, 1.2, Answer.ACCEPTED),
        (1.21, 1.4, Answer.REJECTED),
        (1.1, 1.3, Answer.NOT_COMPARABLE),
        (None, None, Answer.NOT_COMPARABLE),
    ],
)
def test_the_new_way_beside_the_old_one_is_judged_by_its_interval(
    low: float | None, high: float | None, answer: Answer
) -> None:
    declared = Declaration.model_validate({"latency": {"margin": 0.2, "beside": {CLIENT: "old"}}})
    one = Paired(client=CLIENT, other="old", what="connect", low=low, high=high, rounds=20)

    def answered(*paired: Paired) -> Answer:
        slow = msgspec.structs.replace(BEFORE, medians_ms={f"{CLIENT} connect": 9.0})
        fast = msgspec.structs.replace(BEFORE, medians_ms={f"{CLIENT} connect": 1.0})
        return judge_change(
            fast, slow, (CALM,), declared, paired=paired, command_began=BEGAN, command_ended=BEGAN + 5
        ).answer

    assert answered(one) is answer, "the medians of two times say nothing where there are turns"
    assert answered() is Answer.NOT_COMPARABLE


def test_the_ratio_is_of_the_new_way_by_the_old_one_whichever_comes_first() -> None:
    new, old = (Party(run_id="r", client=name, pattern="p") for name in (CLIENT, "old"))

    def compared(first: Party, second: Party, ratio: Estimate | None) -> Compared:
        contrast = Contrast(
            quantile=0.5, verdict=Claim.MORE, rounds=(20, 19), samples=(9, 9), paired=True, level=0.95, ratio=ratio
        )
        return Compared(first=first, second=second, what=Measured.CONNECT, contrast=contrast)

    forth = paired_of(compared(new, old, Estimate(value=2.0, low=1.6, high=2.5)), CLIENT, "old")
    back = paired_of(compared(old, new, Estimate(value=0.5, low=0.4, high=0.625)), CLIENT, "old")
    assert (forth.low, forth.high, forth.rounds) == (1.6, 2.5, 19)
    assert back.low == pytest.approx(1.6)
    assert back.high == pytest.approx(2.5)
    assert paired_of(compared(old, new, None), CLIENT, "old").low is None


@pytest.mark.parametrize(
    ("beside", "words"),
    [({CLIENT: "nobody"}, "has no client nobody; it has: "), ({CLIENT: CLIENT}, "is no other client of the cluster")],
)
def test_who_cannot_be_timed_beside_is_said_before_anything_is_changed(beside: dict[str, str], words: str) -> None:
    with pytest.raises(WrongUseError, match=f"latency.beside: .*{words}"):
        check_beside(TOPOLOGY, beside)


FACTS = st.lists(
    st.builds(
        Fact,
        client=st.just("app"),
        kind=st.sampled_from(FactKind),
        subject=st.sampled_from(["broker-1", "broker-2", "cluster"]),
        values=st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(lambda each: tuple(sorted(each))),
    ),
    max_size=8,
    unique_by=lambda fact: fact.key,
)


@given(facts=FACTS)
def test_the_same_facts_have_not_changed(facts: list[Fact]) -> None:
    compared = compare_facts(facts, facts, NOTHING)
    assert {each.standing for each in compared} <= {Standing.UNCHANGED, Standing.NOT_KNOWN}


@given(before=FACTS, after=FACTS)
def test_a_declaration_of_everything_leaves_nothing_undeclared(before: list[Fact], after: list[Fact]) -> None:
    declared = may_differ(**{kind.value: "all" for kind in FactKind})
    assert Standing.UNDECLARED not in {each.standing for each in compare_facts(before, after, declared)}


class TestDeclarations:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("may_differ: {adresses: all}", "may_differ.adresses"),
            ("interruption: {outage_ms: -1}", "interruption.outage_ms"),
            ("chnge: x", "chnge"),
            ("a: [", ":1: not YAML"),
            ("[]", "is a mapping"),
        ],
    )
    def test_a_mistake_is_named_with_its_place(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "declared.yaml"
        path.write_text(text)
        with pytest.raises(DeclarationError) as raised:
            load_declaration(path)
        assert words in str(raised.value)
        assert str(path) in str(raised.value)

    def test_examples_are_declarations(self) -> None:
        examples = sorted((Path(__file__).parents[2] / "deploy" / "declarations").glob("*.yaml"))
        assert len(examples) >= 7
        for example in examples:
            assert load_declaration(example).change


def test_the_reports_say_the_same() -> None:
    judgement = judged(survival=gap())
    terminal = "\n".join(lines_of(judgement))
    suite = ET.fromstring(junit(judgement))
    assert "REJECTED" in terminal
    assert "records were cut off" in terminal
    assert "records were cut off" in html(judgement)
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")
    accepted = ET.fromstring(junit(judged()))
    assert (accepted.get("failures"), len(accepted)) == ("0", 3)


def test_what_a_far_side_wrote_cannot_become_markup() -> None:
    after = msgspec.structs.replace(BEFORE, wrong=("<script>alert(1)</script>\x1b[31m",))
    page = html(judged(after))
    assert "<script>" not in page
    assert "\x1b" not in page
