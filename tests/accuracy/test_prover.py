"""How a trial is carried out: what is put in and taken out, and what ends a lab. The lab is made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from brokerproof.accuracy import prover, stored_evidence
from brokerproof.accuracy.cases import Case, cases_of
from brokerproof.accuracy.lab_clients import NoEvidenceError
from brokerproof.accuracy.prover import Prover
from brokerproof.accuracy.snapshots import Snapshot
from brokerproof.accuracy.trial import ClientTime, Selection, Trial, TrialKind, Which
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.diagnosis.finding import Answer, Diagnosis, Finding
from brokerproof.lab.errors import LabError
from brokerproof.lab.faults import FAULTS
from brokerproof.probes.outcome import Stage
from brokerproof.running.planning import LIMITS
from brokerproof.topology.models import Topology

ALONE, *_ = cases_of(Selection(patterns=("peering",), faults=("route-missing-client",)))
CLEAN, *_ = cases_of(Selection(patterns=("peering",), singles=False, clean=1))
BOTH = Case(
    "together/1", TrialKind.TOGETHER, "peering", faults=("route-missing-client", "broker-security-group-closed")
)


@dataclass
class ClientEvidence:
    """Evidence, made up."""

    codes: tuple[str, ...] = ()
    sight: object = ""
    seen: tuple[str, ...] = ("what was seen",)
    clients: tuple[ClientTime, ...] = ()
    verdict_ms: int = 1

    @property
    def diagnosis(self) -> Diagnosis:
        findings = tuple(
            Finding(
                codes=tuple(map(Code, code.split("|"))),
                stage=Stage.CONNECT,
                clients=("peered",),
                subjects=("broker-1",),
                wrong="",
                observed="",
                expected="",
                change="",
                evidence=(),
            )
            for code in self.codes
        )
        return Diagnosis(answer=Answer.FINDINGS if findings else Answer.NOTHING_WRONG, findings=findings)

    @property
    def snapshot(self) -> Snapshot:
        return {("peered", "connect"): frozenset({(str(self.sight),)})}

    @property
    def red(self) -> tuple[Check, ...]:
        if not self.codes:
            return ()
        check = Check(
            check_id="connect.broker-1",
            client="peered",
            stage=Stage.CONNECT,
            subject=Subject.BROKER,
            broker_id=1,
            verdict=Verdict.FAILED,
            title="",
            observed="timed out",
        )
        return (check,)


@dataclass
class FakeLab:
    """What is there instead of a lab: a topology, and what clients see of it."""

    sees: Callable[[Topology, Sequence[str]], ClientEvidence] = lambda *_: ClientEvidence()
    topology: Topology = field(default_factory=lambda: ALONE.intended)
    intended: Topology = field(default_factory=lambda: ALONE.intended)
    unknown: str = ""
    started: int = 0
    ended: int = 0
    applied: list[Topology] = field(default_factory=list)
    verified: list[tuple[str, ...]] = field(default_factory=list)
    refuses: str = ""
    heals: bool = True
    brokers: dict[str, str] = field(default_factory=lambda: {"demo-1": "running"})

    # Lab
    def apply(self, topology: Topology) -> None:
        if self.refuses:
            raise LabError(self.refuses)
        self.applied.append(topology)
        self.topology = topology if topology != self.intended or self.heals else self.topology

    def status(self) -> dict[str, Any]:
        return {"brokers": self.brokers}

    # LabPool
    def kill(self) -> None: ...

    def lab(self, topology: Topology) -> FakeLab:
        self.started += 1
        self.topology = self.intended = topology
        return self

    # Clients
    def verify(self, names: Sequence[str]) -> ClientEvidence:
        self.verified.append(tuple(names))
        return self.sees(self.topology, names)

    def forget(self, names: Sequence[str]) -> None: ...

    # LabPool and Clients
    def close(self) -> None:
        self.ended += 1


@pytest.fixture
def fake_lab(monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    made = FakeLab()
    monkeypatch.setattr(prover, "LabPool", lambda _progress: made)
    monkeypatch.setattr(prover, "Clients", lambda _lab, _limits, _audited: made)
    return made


def carry_out(case: Case, which: Which = Which.ALL) -> Trial:
    return Prover(which=which, limits=LIMITS, progress=print).carry_out(case)


def test_a_fault_is_put_in_looked_at_and_taken_out(fake_lab: FakeLab) -> None:
    fake_lab.sees = lambda topology, _: (
        ClientEvidence() if topology == ALONE.intended else ClientEvidence(("route.missing_client",))
    )
    trial = carry_out(ALONE)
    assert fake_lab.applied == [ALONE.broken, ALONE.intended]
    assert [(one.codes, one.stage, one.clients) for one in trial.named] == [
        (("route.missing_client",), "connect", ("peered",))
    ]
    assert trial.injected == ALONE.injected
    assert (trial.problem, trial.not_undone) == ("", "")
    every = tuple(client.name for client in ALONE.intended.clients)
    assert fake_lab.verified == [every, every, ("peered",)]  # cold brokers; the fault; and once more only who saw it
    assert fake_lab.ended == 0


def test_nothing_is_put_into_a_clean_lab(fake_lab: FakeLab) -> None:
    assert carry_out(CLEAN).answer == "nothing_wrong"
    assert fake_lab.applied == []


def test_a_false_alarm_costs_the_lab(fake_lab: FakeLab) -> None:
    fake_lab.sees = lambda *_: ClientEvidence(("route.missing_client",))
    assert carry_out(CLEAN).named
    assert fake_lab.ended


def test_only_the_afflicted_client_is_asked_where_so_chosen(fake_lab: FakeLab) -> None:
    carry_out(ALONE, Which.AFFLICTED)
    assert fake_lab.verified[1:] == [("peered",)]
    carry_out(CLEAN, Which.AFFLICTED)
    assert len(fake_lab.verified[-1]) > 1


@pytest.mark.parametrize("cured", [True, False])
def test_a_fault_that_stays_is_said_and_costs_the_lab(fake_lab: FakeLab, cured: bool) -> None:
    fake_lab.sees = lambda *_: ClientEvidence(("route.missing_client",))
    fake_lab.heals = cured
    trial = carry_out(ALONE)
    words = "peered/connect.broker-1: timed out" if cured else "the lab does not report that it is as intended"
    assert trial.not_undone == words
    assert trial.named
    assert fake_lab.ended


def test_what_makes_no_difference_may_be_in_a_set_that_is_too_wide(fake_lab: FakeLab) -> None:
    first, second = BOTH.faults
    alike = (BOTH.broken, Case("x", TrialKind.SINGLE, "peering", faults=(first,)).broken)

    def sees(topology: Topology, _names: Sequence[str]) -> ClientEvidence:
        if topology == BOTH.intended:
            return ClientEvidence()
        return ClientEvidence(("route.missing_client|security.broker_group|tls.inspected",), sight=topology in alike)

    fake_lab.sees = sees
    assert carry_out(BOTH).hidden == (second,)


def test_what_makes_no_difference_to_any_client_is_hidden(fake_lab: FakeLab) -> None:
    first, second = BOTH.faults
    alone = Case("x", TrialKind.SINGLE, "peering", faults=(first,)).broken

    def sees(topology: Topology, _names: Sequence[str]) -> ClientEvidence:
        if topology == BOTH.intended:
            return ClientEvidence()
        return ClientEvidence(("route.missing_client",), sight="silence")

    fake_lab.sees = sees
    trial = carry_out(BOTH)
    assert trial.hidden == (second,)
    assert fake_lab.applied == [BOTH.broken, alone, BOTH.intended]


def test_what_makes_a_difference_is_not_hidden(fake_lab: FakeLab) -> None:
    fake_lab.sees = lambda topology, _: ClientEvidence(
        () if topology == BOTH.intended else ("route.missing_client",), sight=topology
    )
    assert carry_out(BOTH).hidden == ()


def test_what_differs_by_itself_is_no_sign_of_a_fault(fake_lab: FakeLab) -> None:
    first, second = BOTH.faults
    alone = Case("x", TrialKind.SINGLE, "peering", faults=(first,)).broken
    fake_lab.sees = lambda topology, _: ClientEvidence(
        () if topology == BOTH.intended else ("route.missing_client",), sight=len(fake_lab.verified)
    )
    assert carry_out(BOTH).hidden == (second,)
    assert fake_lab.applied == [BOTH.broken, alone, BOTH.broken, BOTH.intended]


@pytest.mark.parametrize(
    ("sights", "is_hidden"),
    [
        (("lost", "well", "lost", "well", "well", "well"), False),  # with it, without it, by turns
        (("well", "well", "lost", "well", "well", "well"), False),
        (("well", "lost", "lost", "well", "well", "well"), True),  # the others lose as well
        (("well",) * 6, True),
    ],
)
def test_what_shows_now_and_then_is_hidden_where_all_of_it_is_seen_without_it(
    fake_lab: FakeLab, monkeypatch: pytest.MonkeyPatch, sights: tuple[str, ...], is_hidden: bool
) -> None:
    _, second = BOTH.faults
    chance = dict(FAULTS) | {second: replace(FAULTS[second], by_chance=True)}
    monkeypatch.setattr(prover, "FAULTS", chance)
    looks = iter(sights)

    def sees(topology: Topology, _names: Sequence[str]) -> ClientEvidence:
        if topology == BOTH.intended:
            return ClientEvidence()
        return ClientEvidence(("route.missing_client",), sight=next(looks))

    fake_lab.sees = sees
    assert carry_out(BOTH).hidden == ((second,) if is_hidden else ())


def test_a_lab_that_refuses_is_a_problem_and_not_used_again(fake_lab: FakeLab) -> None:
    fake_lab.refuses = "cannot\n  become that"
    trial = carry_out(ALONE)
    assert (trial.problem, trial.clients, trial.verdict_ms) == ("cannot become that", (), None)
    assert fake_lab.ended


def test_the_tail_of_a_log_is_not_kept_whole(fake_lab: FakeLab) -> None:
    fake_lab.refuses = "x" * 5000
    assert len(carry_out(ALONE).problem) < 310


def test_a_probe_that_cannot_be_run_is_a_problem(fake_lab: FakeLab) -> None:
    def breaks(*_: object) -> ClientEvidence:
        raise NoEvidenceError("vantage peered: ended by signal 9")

    fake_lab.sees = breaks
    assert carry_out(ALONE).problem == "vantage peered: ended by signal 9"
    assert fake_lab.ended


def test_a_defect_is_no_trial_but_ends_the_lab(fake_lab: FakeLab) -> None:
    def breaks(*_: object) -> ClientEvidence:
        raise ZeroDivisionError

    fake_lab.sees = breaks
    with pytest.raises(ZeroDivisionError):
        carry_out(ALONE)
    assert fake_lab.ended


def test_one_lab_serves_cases_of_one_topology_while_its_brokers_live(fake_lab: FakeLab) -> None:
    one = Prover(which=Which.ALL, limits=LIMITS, progress=print)
    one.carry_out(ALONE)
    one.carry_out(CLEAN)
    assert fake_lab.started == 1
    assert len(fake_lab.verified) == 3  # of which one was of cold brokers
    fake_lab.brokers["demo-1"] = "ended (137)"
    one.carry_out(CLEAN)
    assert fake_lab.started == 2


def test_an_abandoned_prover_begins_nothing(fake_lab: FakeLab) -> None:
    one = Prover(which=Which.ALL, limits=LIMITS, progress=print)
    one.abandon()
    assert one.carry_out(ALONE).problem == "interrupted"
    assert fake_lab.applied == []


def test_what_was_seen_with_the_faults_is_kept(fake_lab: FakeLab) -> None:
    handed: list[object] = []
    one = Prover(which=Which.ALL, limits=LIMITS, progress=print, keep=lambda *seen: handed.append(seen))
    one.carry_out(ALONE)
    one.carry_out(CLEAN)
    assert handed == [(ALONE.case_id, ("what was seen",)), (CLEAN.case_id, ("what was seen",))]


def test_a_proof_that_kept_goes_on_keeping(tmp_path: Path) -> None:
    assert not stored_evidence.is_in(tmp_path)
    stored_evidence.keep(tmp_path, "clean/in_vpc/1", [])
    assert stored_evidence.is_in(tmp_path)
