"""What checks are made of: what a client must see, and what came back from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from brokerproof.diagnosis.check import Assertion, Check, Subject, Verdict
from brokerproof.diagnosis.clusters import answers_elsewhere
from brokerproof.diagnosis.outcome_index import OutcomeIndex
from brokerproof.diagnosis.remedy import remedy
from brokerproof.diagnosis.titles import known_addresses, reason_text
from brokerproof.probes.outcome import MetadataFacts, Outcome, Reason, ResolveFacts, Stage, Status
from brokerproof.topology.expectation.view import BrokerView, ClientView


@dataclass(frozen=True, slots=True)
class RunOutcomes:
    """What came back from one client: outcomes, and whether the run said that it was complete."""

    outcomes: tuple[Outcome, ...]
    complete: bool = True
    error: str = ""
    """What went wrong with the probe or its vantage; empty when all is well."""


@dataclass(frozen=True, slots=True)
class SubjectOf:
    """What a check is about, and which broker where it is one."""

    kind: Subject
    broker_id: int | None = None


CLUSTER: Final = SubjectOf(Subject.CLUSTER)


class Basis:
    """The view and the outcomes of one client."""

    def __init__(self, view: ClientView, evidence: RunOutcomes) -> None:
        self.view = view
        self.evidence = evidence
        self.seen = OutcomeIndex(evidence.outcomes)
        self.known = known_addresses(view)
        self.elsewhere = answers_elsewhere(evidence.outcomes)
        """What another cluster answered, which says nothing of this one's brokers."""
        self.metadata = [
            o.facts for o in self.seen.all if isinstance(o.facts, MetadataFacts) and o.target not in self.elsewhere
        ]
        self.derived: set[str] = set()
        """Ids of checks that are red because other brokers do not list this one."""

    def check(
        self,
        check_id: str,
        stage: Stage,
        subject: SubjectOf,
        outcomes: Sequence[Outcome],
        title: str,
        *,
        asserts: Assertion = Assertion.STAGE_PASSES,
    ) -> Check:
        """The verdict of one stage from its outcomes; several attempts that differ are a failure."""
        blank = Check(
            check_id=check_id,
            client=self.view.client,
            stage=stage,
            subject=subject.kind,
            asserts=asserts,
            verdict=Verdict.NOT_SEEN,
            title=title,
            expected=title,
            broker_id=subject.broker_id,
        )
        if not outcomes:
            if self.evidence.error:
                return changed(blank, verdict=Verdict.ERROR, observed=self.evidence.error)
            return changed(
                blank,
                observed="not probed: the run ended before it" if not self.evidence.complete else "not probed",
            )
        worst = max(outcomes, key=lambda o: _SEVERITY[o.status])
        verdict = _VERDICT[worst.status]
        if worst.status is Status.ERROR and worst.reason is Reason.DEADLINE_OF_PLAN:
            verdict = Verdict.NOT_SEEN
        if worst.reason is Reason.NOT_COVERED:
            verdict = Verdict.NOT_COVERED
        observed = "" if worst.status is Status.OK else reason_text(worst)
        if worst.status is Status.FAILED and any(o.status is Status.OK for o in outcomes):
            good = sum(o.status is Status.OK for o in outcomes)
            observed = f"intermittent: {good} of {len(outcomes)} attempts worked; otherwise {observed}"
        return changed(
            blank,
            verdict=verdict,
            observed=observed,
            reason=worst.reason if verdict in {Verdict.FAILED, Verdict.ERROR} else None,
            blocked_by=_waited_for(worst),
            duration_ns=worst.duration_ns,
        )

    def placed(self, check: Check, broker: BrokerView, address: str = "") -> Check:
        """The check, at this broker."""
        placed = changed(check, name=broker.name, port=broker.port, address=address, broker_id=broker.broker_id)
        return self.with_remedy(placed)

    def with_remedy(self, check: Check) -> Check:
        """The check, with what mends it where it failed."""
        return changed(check, change=remedy(check, self.view)) if check.verdict is Verdict.FAILED else check

    def resolved(self, name: str, address: str) -> bool:
        """Whether the name's answer had this address; True where the name was not asked for at all."""
        facts = [o.facts for o in self.seen.resolve(name) if o.status is not Status.ERROR]
        if not facts:
            return True
        return any(isinstance(f, ResolveFacts) and address in (*f.a, *f.aaaa, *f.again, *f.os_addresses) for f in facts)


_SEVERITY: Final = {Status.OK: 0, Status.SKIPPED: 1, Status.ERROR: 2, Status.FAILED: 3}
_VERDICT: Final = {
    Status.OK: Verdict.PASSED,
    Status.FAILED: Verdict.FAILED,
    Status.SKIPPED: Verdict.BLOCKED,
    Status.ERROR: Verdict.ERROR,
}
_ANSWERED_BY_A_HOST: Final = frozenset({Reason.REFUSED, Reason.RESET})
"""Security groups and missing routes drop in silence (VPC user guide); a host says that it has no listener."""


def inverted(check: Check, outcomes: Sequence[Outcome], fails_with: Sequence[Reason]) -> Check:
    """A check that something must not connect: green only when it failed for a reason that is the right one."""
    if any(o.status is Status.OK for o in outcomes):
        return changed(
            check, verdict=Verdict.FAILED, reason=None, observed=f"{check.address}:{check.port} accepted a connection"
        )
    if check.verdict is not Verdict.FAILED:
        return check
    if all(o.reason in fails_with for o in outcomes):
        return changed(check, verdict=Verdict.PASSED, reason=None, observed="")
    if check.reason in _ANSWERED_BY_A_HOST:
        word = "refused" if check.reason is Reason.REFUSED else "reset"
        observed = f"{check.address}:{check.port} {word}: the packet reached a host there, and nothing listens"
        return changed(check, observed=observed)
    wanted = " or ".join(r.value for r in fails_with)
    return changed(check, observed=f"it did not connect, but for another reason than {wanted}: {check.observed}")


def _waited_for(outcome: Outcome) -> str:
    if outcome.waited_for is None:
        return ""
    target = outcome.waited_for.target
    subject = f"broker-{target.broker_id}" if target.broker_id is not None else target.name or "cluster"
    return f"{subject}/{outcome.waited_for.stage}"


def slug(text: str) -> str:
    """The text as part of a check's id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def changed(check: Check, **changes: object) -> Check:
    """The check with other fields."""
    return msgspec.structs.replace(check, **changes)
