"""One lab's clients, probed at once and diagnosed together. Their probes keep running between trials.

Nothing here knows what a fault is, or whether the answer is right.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from brokerproof.accuracy.snapshots import Place, Snapshot
from brokerproof.accuracy.trial import ClientTime
from brokerproof.aws.audit.values import Audit
from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence, Diagnosis
from brokerproof.diagnosis.lost_syn import syn_was_repeated
from brokerproof.diagnosis.timing import known_after_ns
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import (
    ConnectFacts,
    HandshakeFacts,
    IdentityFacts,
    MetadataFacts,
    Outcome,
    ResolveFacts,
)
from brokerproof.probes.plan import Limits
from brokerproof.running.planning import ClientRun, conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.vantages.protocol import Vantage

AT_ONCE: Final = 2 * len(os.sched_getaffinity(0))
"""Clients probed at the same time: a probe waits more than it works."""


class NoEvidenceError(RuntimeError):
    """A client's probe could not be run; one sentence."""


@dataclass(frozen=True, slots=True)
class LabEvidence:
    """What the clients saw, what that was taken for, and when."""

    runs: tuple[ClientRun, ...]
    seen: tuple[ClientEvidence, ...]
    diagnosis: Diagnosis

    @property
    def clients(self) -> tuple[ClientTime, ...]:
        """How long each client took."""
        return tuple(
            ClientTime(
                client=run.view.client,
                took_ms=_took_ms(run),
                deadline_ms=run.plan.limits.plan_ms,
                complete=_complete(run),
            )
            for run in self.runs
        )

    @property
    def verdict_ms(self) -> int:
        """From the first packet of the slowest client to the answer: see :func:`verdict_ms`."""
        return verdict_ms(self.seen, self.diagnosis, max((_took_ms(run) for run in self.runs), default=0))

    @property
    def red(self) -> tuple[Check, ...]:
        """Every check that is not as it must be."""
        return tuple(check for run in self.runs for check in run.checks if check.verdict is not Verdict.PASSED)

    @property
    def snapshot(self) -> Snapshot:
        """Everything that was observed, by which trials can be compared."""
        found: dict[Place, set[tuple[str, ...]]] = {}
        for run in self.runs:
            for outcome in run.run.outcomes:
                place = (run.view.client, outcome.stage.value, repr(outcome.target))
                found.setdefault(place, set()).add((outcome.status.value, str(outcome.reason), _lasting(outcome)))
        return {place: frozenset(seen) for place, seen in found.items()}


def verdict_ms(seen: Sequence[ClientEvidence], diagnosis: Diagnosis, whole_ms: int) -> int:
    """From a client's first packet until everything the findings rest on had been observed.

    Where nothing is wrong that is only known at the end, after ``whole_ms``. Clients that had to wait
    for a place (:data:`AT_ONCE`) are not charged for it: on hosts of their own they would all begin at once.
    """
    known_ns = known_after_ns(seen, diagnosis)
    return whole_ms if known_ns is None else known_ns // 1_000_000


def _complete(run: ClientRun) -> bool:
    return run.run.closing is not None and run.run.closing.complete


def _took_ms(run: ClientRun) -> int:
    ends = [outcome.started_ns + outcome.duration_ns for outcome in run.run.outcomes]
    closing = run.run.closing
    return (closing.duration_ns if closing is not None else max(ends, default=0)) // 1_000_000


def _lasting(outcome: Outcome) -> str:
    """What of the facts does not change from one run to the next."""
    match outcome.facts:
        case ConnectFacts():
            return repr(syn_was_repeated(outcome))
        case ResolveFacts() as facts:
            return repr((facts.rcode, facts.aaaa_rcode, facts.a, facts.aaaa, facts.cname_chain, facts.soa))
        case HandshakeFacts() as facts:
            return repr((facts.problems, facts.subject, facts.issuer, facts.dns_names, facts.chain, facts.alert))
        case MetadataFacts() as facts:
            return repr(sorted(map(repr, facts.brokers)))
        case IdentityFacts() as facts:
            return repr((facts.answered_by, facts.error_code, facts.advertised_listeners))
        case _:
            return ""


class Clients:
    """The clients of one lab. Their probes run until they are told to go."""

    def __init__(self, lab: Lab, limits: Limits, audited: Callable[[], Audit | None] = lambda: None) -> None:
        self._audited = audited
        self._lab = lab
        self._limits = limits
        self._vantages: dict[str, Vantage] = {}

    def verify(self, names: Sequence[str]) -> LabEvidence:
        """Probe these clients and diagnose what they saw together.

        Raises:
            NoEvidenceError: a probe could not be run to its end.
        """
        with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
            runs = tuple(threads.map(self._run, names))
        broken = [run.run for run in runs if run.run.error]
        if broken:
            raise NoEvidenceError("; ".join(run.error for run in broken))
        seen = tuple(run.seen for run in runs)
        return LabEvidence(runs=runs, seen=seen, diagnosis=diagnose(seen, self._audited()))

    def forget(self, names: Sequence[str]) -> None:
        """End the probes of these clients, because their hosts are not the same any more."""
        for name in names:
            vantage = self._vantages.pop(name, None)
            if vantage is not None:
                vantage.close()

    def close(self) -> None:
        """End every probe."""
        self.forget(tuple(self._vantages))

    def _run(self, name: str) -> ClientRun:
        view = expect(self._lab.intended, name)
        plan = make_plan(view, self._lab.intended.client(name), measure=False, limits=self._limits)
        if name not in self._vantages:
            self._vantages[name] = lab_vantage(self._lab, name)
        return conclude(view, plan, self._vantages[name].run(plan))
