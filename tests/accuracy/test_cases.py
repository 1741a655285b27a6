"""What a selection stands for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

from brokerproof.accuracy.cases import Case, SelectionError, case_of, cases_of, digest, expected, go_together, together
from brokerproof.accuracy.score import UNKNOWN
from brokerproof.accuracy.trial import Injected, Selection, Trial, TrialKind
from brokerproof.causes.codes import Code
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.faults.fault import FaultLayer
from brokerproof.topology.patterns import PATTERNS

SOME = Selection(patterns=("peering",), layers=("route", "security"))


@cache
def single_faults() -> tuple[Case, ...]:
    return cases_of(Selection())


def test_every_fault_is_tried_in_every_pattern_it_applies_to() -> None:
    there = {(case.pattern, *case.faults) for case in single_faults()}
    assert there == {(pattern, fault.name) for fault in FAULTS.values() for pattern in fault.patterns}


def test_each_case_can_be_made_and_is_named_once() -> None:
    chosen = cases_of(Selection(clean=9, together=3, draws=10))
    assert len({case.case_id for case in chosen}) == len(chosen)
    for case in chosen:
        assert (case.broken == case.intended) == (case.kind is TrialKind.CLEAN)


def test_a_trial_tells_its_case_whatever_would_be_drawn_today() -> None:
    for case in cases_of(Selection(clean=2, together=3, draws=30, seed=7)):
        trial = Trial(case_id=case.case_id, kind=case.kind, pattern=case.pattern, injected=case.injected)
        assert case_of(trial) == case
    gone = Injected(fault="gone", layer="dns", cause="dns.gone", codes=("dns.gone",))
    assert case_of(Trial(case_id="x", kind=TrialKind.SINGLE, pattern="peering", injected=(gone,))) is None


def test_a_fault_of_ipv6_gets_a_cluster_that_has_it() -> None:
    ipv6 = [case for case in single_faults() if FAULTS[case.faults[0]].dual_stack]
    assert ipv6
    assert {case.variant for case in ipv6} == {"dual-stack"}


def test_a_fault_of_the_login_gets_clients_that_log_in_so() -> None:
    logins = [case for case in single_faults() if FAULTS[case.faults[0]].layer is FaultLayer.AUTHENTICATION]
    assert logins
    assert all(case.variant == FAULTS[case.faults[0]].authentication for case in logins)


def test_patterns_layers_and_faults_narrow_the_choice() -> None:
    for case in cases_of(SOME):
        assert case.pattern == "peering"
        assert FAULTS[case.faults[0]].layer in {FaultLayer.ROUTE, FaultLayer.SECURITY}
    name = next(iter(FAULTS))
    assert {case.faults for case in cases_of(Selection(faults=(name,)))} == {(name,)}


def test_clean_runs_go_round_the_patterns() -> None:
    clean = cases_of(Selection(singles=False, clean=len(PATTERNS) + 1))
    assert {case.pattern for case in clean} == set(PATTERNS)
    assert len(clean) == len(PATTERNS) + 1
    assert {case.faults for case in clean} == {()}


def test_the_seed_decides_the_draws() -> None:
    one = Selection(singles=False, together=3, draws=12, seed=1)
    drawn = cases_of(one)
    assert drawn == cases_of(one)
    assert digest(drawn) == digest(cases_of(one))
    other = cases_of(Selection(singles=False, together=3, draws=12, seed=2))
    assert other != drawn
    assert digest(other) != digest(drawn)
    assert {len(case.faults) for case in drawn} == {2, 3}
    assert len({(case.pattern, case.faults) for case in drawn}) == 12


def test_faults_that_do_not_go_together_are_not_drawn() -> None:
    peering = PATTERNS["peering"].build()
    # The second is all that is left of the two.
    assert not go_together("peering", "", ("certificate-expired", "certificate-other-name"))
    assert go_together("peering", "", ("certificate-expired", "route-missing-client"))
    two_of_one_target = ("target-of-another-broker", "target-inspects-tls")
    assert not go_together("privatelink_single_nlb", "", two_of_one_target), "both lead broker 2's listener elsewhere"
    assert not go_together("in_vpc", "", ("advertised-final-dot", "broker-cut-off")), "a broker cut off cannot start"
    silent = ("proxy-protocol-on", "broker-security-group-another-port")
    assert not go_together("privatelink_single_nlb", "", silent), "the lab's balancer would accept what no target does"
    assert go_together("privatelink_single_nlb", "", ("proxy-protocol-on", "record-missing"))
    assert go_together("in_vpc", "", ("certificate-expired", "broker-cut-off"))
    of_one_user = ("scram-wrong-password", "scram-user-unknown")
    assert not go_together("in_vpc", "scram_sha_512", of_one_user), "a user who is gone has no password"
    pairs = [case for case in cases_of(Selection(singles=False, together=2, draws=20)) if case.pattern == "peering"]
    for case in pairs:
        for left in case.faults:
            assert together(peering, [one for one in case.faults if one != left]) != case.broken


@pytest.mark.parametrize(
    "faults",
    [
        # Drawn once, and no lab could be made so: a broker that starts needs a majority of controllers.
        ("topic-write-denied", "two-brokers-stopped"),
        ("group-session-refused", "two-brokers-stopped"),
        # Broker 2 does not run: nothing stands still, and nothing is advertised.
        ("broker-frozen", "broker-stopped"),
        ("advertised-other-name", "broker-stopped"),
        ("advertised-address", "two-brokers-stopped"),
    ],
)
def test_what_no_lab_can_be_made_is_not_drawn(faults: tuple[str, ...]) -> None:
    assert not go_together("in_vpc", "", faults)


def test_what_a_lab_can_be_made_beside_brokers_that_do_not_run() -> None:
    assert go_together("in_vpc", "", ("certificate-expired", "two-brokers-stopped"))
    assert go_together("in_vpc", "", ("topic-write-denied", "broker-stopped"))
    assert go_together("in_vpc", "", ("advertised-swapped", "broker-stopped"))


def test_runs_on_a_busy_machine_come_last() -> None:
    chosen = cases_of(Selection(patterns=("peering",), layers=("tcp",), clean=3, busy=2))
    assert [case.kind is TrialKind.BUSY for case in chosen] == [False] * (len(chosen) - 2) + [True] * 2
    assert [case.case_id for case in chosen[-2:]] == ["busy/peering/1", "busy/peering/2"]


def test_a_fault_made_after_a_public_report_is_a_field_case(monkeypatch: pytest.MonkeyPatch) -> None:
    there = FAULTS["route-missing-client"]
    monkeypatch.setitem(FAULTS, there.name, replace(there, source="example/project#1"))
    kinds = {case.faults: case.kind for case in cases_of(Selection(patterns=("peering",), layers=("route",)))}
    assert kinds[there.name,] is TrialKind.FIELD
    assert set(kinds.values()) == {TrialKind.FIELD, TrialKind.SINGLE}


def test_cases_of_one_lab_are_side_by_side_and_restarts_come_last() -> None:
    chosen = cases_of(Selection(clean=8))
    labs = [(case.pattern, case.variant) for case in chosen]
    assert len(set(labs)) == 1 + sum(before != after for before, after in pairwise(labs))
    restarts = [case.broken.clusters != case.intended.clusters for case in chosen]
    for (lab, before), (following, after) in pairwise(zip(labs, restarts, strict=True)):
        assert after or not before or lab != following


def test_what_a_fault_may_be_diagnosed_as() -> None:
    fault = replace(
        FAULTS["certificate-expired"],
        cause=Code.UNKNOWN,
        alike={("peering",): (Code.TLS_CLOCK_WRONG,), ("in_vpc",): ()},
    )
    assert expected(fault, "in_vpc").codes == (UNKNOWN,)
    assert expected(fault, "peering").codes == ("tls.clock_wrong", UNKNOWN)
    assert expected(fault, "peering").cause == UNKNOWN
    told = expected(replace(fault, cause=None, alike=(), advice="dns.aaaa_denied"), "peering")
    assert (told.cause, told.codes, told.advice) == ("dns.aaaa_denied", ("dns.aaaa_denied",), True)


def test_other_expectations_are_another_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = cases_of(SOME)
    known = digest(chosen)
    name = chosen[0].faults[0]
    there = FAULTS[name]
    other = Code.DNS_CNAME_LOOP
    monkeypatch.setitem(FAULTS, name, replace(there, cause=other, alike=()))
    assert digest(chosen) != known


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(patterns=("x",)), "no pattern x; there is: combination"),
        (Selection(layers=("x", "y")), "no layer x, y; there is: "),
        (Selection(faults=("x",)), "no fault x; there is: "),
        (Selection(patterns=("in_vpc",), faults=("endpoint-rejected",)), "nothing is chosen"),
        (Selection(singles=False), "nothing is chosen"),
        (Selection(together=1, draws=1), "not several"),
        (Selection(together=2), "both or neither"),
        (Selection(draws=2), "both or neither"),
        (Selection(faults=("endpoint-rejected",), together=2, draws=1), "two of the chosen faults"),
        (Selection(patterns=("peering",), layers=("route",), together=2, draws=2000), "of 2000 combinations"),
    ],
)
def test_a_selection_that_cannot_be_is_said_so(selection: Selection, words: str) -> None:
    with pytest.raises(SelectionError, match=words):
        cases_of(selection)
