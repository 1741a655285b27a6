"""All clients' checks and outcomes together -> what is wrong. Pure.

Rules are tried in order; each claims the red checks it explains, and what is left is unknown at
its stage. Nothing here reads a clock, a file or a network.
"""

from __future__ import annotations

from collections.abc import Sequence

from diagnosis.check import Verdict
from diagnosis.finding import Answer, Diagnosis, Finding, Seen
from topology.finding_codes import Code


def diagnose(clients: Sequence[Seen]) -> Diagnosis:
    """What is wrong, from everything that all clients saw."""
    findings = tuple(
        Finding(
            codes=(Code.UNKNOWN,), stage=check.stage, clients=(seen.view.client,), subjects=(check.subject,),
            wrong=f"unknown cause at stage {check.stage}", observed=check.observed, expected=check.expected,
            change="", evidence=(f"{seen.view.client}/{check.check_id}",),
        )
        for seen in clients for check in seen.checks if check.verdict is Verdict.FAILED
    )  # fmt: skip
    unexplained = tuple(
        f"{seen.view.client}/{check.check_id}"
        for seen in clients for check in seen.checks if check.verdict in {Verdict.ERROR, Verdict.NOT_SEEN}
    )  # fmt: skip
    if findings:
        return Diagnosis(answer=Answer.FINDINGS, findings=findings, unexplained=unexplained)
    enough = bool(clients) and not unexplained and all(seen.complete and seen.checks for seen in clients)
    return Diagnosis(answer=Answer.NOTHING_WRONG if enough else Answer.NOT_ENOUGH_SEEN, unexplained=unexplained)
