"""Outcomes whose every free word is hostile, through judgement and diagnosis into every file: nothing raw is left."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.probes.outcome import STAGE_REASONS, Outcome, Status
from brokerproof.reports.document import ClientResult, ResultDocument
from brokerproof.reports.formats import FORMATS, report_format
from brokerproof.running.planning import conclude, make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.protocol import VantageRun
from tests.diagnosis.perfect import perfect
from tests.examples import examples
from tests.reports.builder import document, started
from tests.reports.test_words_from_outside import HOSTILE, controls
from tests.vantages.far_side import closing

KEPT = {"\n", "\t"}
words = st.one_of(
    st.just(HOSTILE),
    st.text(alphabet=st.sampled_from("a<&\"'\x00\x07\x1b\x7f\x85\x9b\u2028\u202e\u2066\ufeff"), min_size=1, max_size=8),
)


def hostile(value: Any, said: str) -> Any:
    """The same with the words after every free string; members of closed lists stay."""
    if isinstance(value, msgspec.Struct):
        changed = {
            field.name: hostile(getattr(value, field.name), said) for field in msgspec.structs.fields(type(value))
        }
        return msgspec.structs.replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(hostile(each, said) for each in value)
    return value + said if type(value) is str else value


def outcome_of(outcome: Outcome, said: str, draw: Random) -> Outcome:
    facts = hostile(outcome.facts, said)
    if draw.random() < 0.3:
        reason = draw.choice(sorted(STAGE_REASONS[outcome.stage]))
        return msgspec.structs.replace(outcome, status=Status.FAILED, reason=reason, detail=said, facts=facts)
    return msgspec.structs.replace(outcome, detail=said, facts=facts)


def run_of(pattern: str, said: str, seed: int) -> ResultDocument:
    topology = PATTERNS[pattern].build()
    draw = Random(seed)
    results = []
    for client in topology.clients:
        view = expect(topology, client.name)
        if not view.brokers:
            continue
        plan = make_plan(view, client, measure=False)
        outcomes = tuple(outcome_of(each, said, draw) for each in perfect(view))
        ran = conclude(view, plan, VantageRun(outcomes=outcomes, closing=closing(plan, len(outcomes))))
        results.append(
            ClientResult(
                view=view,
                started=hostile(started(view), said),
                outcomes=outcomes,
                closing=ran.run.closing,
                vantage_error=said,
                checks=ran.checks,
            )
        )
    return document(*results)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=examples(16))
@given(pattern=st.sampled_from(["in_vpc", "peering"]), said=words, seed=st.integers(0, 999))
def test_no_file_has_a_raw_control_character(name: str, pattern: str, said: str, seed: int) -> None:
    made = report_format(name).render(run_of(pattern, said, seed))
    content = (made if isinstance(made, bytes) else b"".join(made)).decode("utf-8")
    assert set(controls(content)) <= KEPT
