"""When a diagnosis could have been known: from the times of the outcomes that its findings rest on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from brokerproof.diagnosis.finding import ClientEvidence, Diagnosis
from brokerproof.diagnosis.rules.case import Case, Red


def known_after_ns(clients: Sequence[ClientEvidence], diagnosis: Diagnosis) -> int | None:
    """From a client's first packet until the last check that a finding rests on had failed.

    What only follows from a finding, and what passed meanwhile, is not waited for.

    Returns:
        The slowest client's time; None where there is no finding, or its evidence is not among the clients'.
    """
    case = Case(clients)
    reds = {red.key: red for red in case.reds}
    evidence = [reds[key] for finding in diagnosis.findings for key in finding.evidence if key in reds]
    return max((_decided_ns(case, red) for red in evidence), default=None)


def _decided_ns(case: Case, red: Red) -> int:
    return max((one.started_ns + one.duration_ns for one in case.outcomes(red)), default=0)
