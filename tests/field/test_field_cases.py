"""Field cases: faults that public reports tell of. Each is diagnosed as its entry states, in a lab of its own kind.

An entry's right value is what the reporter or a maintainer established, and its ``source`` is where. How often the
diagnosis agrees over all patterns is on the page that ``brokerproof lab prove`` writes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brokerproof.accuracy.cases import Case, cases_of
from brokerproof.accuracy.prover import Prover
from brokerproof.accuracy.score import score
from brokerproof.accuracy.trial import Selection, TrialKind, Which
from brokerproof.lab.faults import FAULTS
from brokerproof.running.planning import LIMITS

REPORTED = [fault.name for fault in FAULTS.values() if fault.source]


def cases() -> Iterator[Case]:
    """One of each, where the fewest clients are."""
    every = sorted(cases_of(Selection(faults=tuple(REPORTED))), key=lambda case: len(case.intended.clients))
    tried: set[str] = set()
    for case in every:
        if case.faults[0] not in tried:
            tried.add(case.faults[0])
            yield case


CASES = list(cases())


def test_each_report_is_a_field_case() -> None:
    assert {case.kind for case in CASES} == {TrialKind.FIELD}
    assert {case.faults[0] for case in CASES} == set(REPORTED)
    assert all(FAULTS[name].source.strip() == FAULTS[name].source for name in REPORTED)


@pytest.fixture(scope="module")
def prover() -> Iterator[Prover]:
    made = Prover(which=Which.ALL, limits=LIMITS, progress=print)
    yield made
    made.close()


@pytest.mark.lab
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case_id)
def test_it_is_diagnosed_as_the_report_established(case: Case, prover: Prover) -> None:
    trial = prover.carry_out(case)
    assert (trial.problem, trial.not_undone) == ("", "")
    worth = score(trial)
    assert worth.good, (worth.causes, trial.named, trial.advised)
