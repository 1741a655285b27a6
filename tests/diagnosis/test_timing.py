"""When a diagnosis could have been known: the evidence counts, what follows or passes does not."""

from __future__ import annotations

import msgspec

from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.diagnosis.judge import judge
from brokerproof.diagnosis.timing import known_after_ns
from brokerproof.probes.outcome import Outcome, Reason, Stage, Status
from tests.diagnosis.bent import views_of
from tests.diagnosis.perfect import perfect

SEEN_NS, LATER_NS = 3_000, 90_000


def _run(*, broken: bool) -> ClientEvidence:
    view = next(view for view in views_of("peering") if view.client == "peered")

    def timed(one: Outcome) -> Outcome:
        if broken and one.stage is Stage.CONNECT and one.target.broker_id == 1:
            return msgspec.structs.replace(
                one, status=Status.FAILED, reason=Reason.TIMED_OUT, facts=None, started_ns=1_000, duration_ns=2_000
            )
        return msgspec.structs.replace(one, started_ns=LATER_NS, duration_ns=0)

    outcomes = tuple(map(timed, perfect(view)))
    return ClientEvidence(view=view, checks=judge(view, RunOutcomes(outcomes)), outcomes=outcomes)


def test_it_is_known_when_the_last_evidence_was_in() -> None:
    seen = (_run(broken=True),)
    diagnosis = diagnose(seen)
    assert diagnosis.findings
    assert known_after_ns(seen, diagnosis) == SEEN_NS


def test_without_a_finding_there_is_no_such_time() -> None:
    seen = (_run(broken=False),)
    assert known_after_ns(seen, diagnose(seen)) is None
