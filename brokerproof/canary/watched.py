"""What is watched of a client, and what a run of it says of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from brokerproof.canary.state import Reading
from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.probes.outcome import Outcome, Reason
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.probes.plan import Limits, Plan
from brokerproof.running.planning import ClientRun
from brokerproof.topology.expectation.view import ClientView
from brokerproof.vantages.protocol import VantageRun

ISOLATION: Final = "isolation"
"""Stands where a broker does: what must not work. Deep rounds look at it."""
CLUSTER: Final = "cluster"
BOOTSTRAP: Final = "bootstrap"


class Watched(Value, frozen=True, kw_only=True, order=True):
    """One thing that has a state: a broker or what stands for one, at one address or as a whole."""

    client: str
    broker: str
    """``broker-N``, or bootstrap, cluster, isolation."""
    address: str = ""
    """Empty: the broker's name, what it advertises, and records that it leads."""

    def __str__(self) -> str:
        return f"{self.client}/{self.broker}" + (f"/{self.address}" if self.address else "")


def watched_of(view: ClientView) -> tuple[Watched, ...]:
    """Everything that is watched of a client, known before its first round."""
    found: dict[Watched, None] = {}
    for broker in view.brokers:
        label = f"broker-{broker.broker_id}"
        found[Watched(client=view.client, broker=label)] = None
        for address in broker.addresses:
            if address.must_connect:
                found[Watched(client=view.client, broker=label, address=address.address)] = None
    own = {(broker.name, broker.port) for broker in view.brokers}
    for entry in view.bootstrap:
        if (entry.name, entry.port) not in own:
            found[Watched(client=view.client, broker=BOOTSTRAP)] = None
            for address in entry.addresses:
                if address.must_connect:
                    found[Watched(client=view.client, broker=BOOTSTRAP, address=address.address)] = None
    if view.brokers:
        found[Watched(client=view.client, broker=CLUSTER)] = None
    if view.isolation and (view.forbidden or view.other_names):
        found[Watched(client=view.client, broker=ISOLATION)] = None
    return tuple(found)


def subject_of(check: Check) -> Watched:
    """What a check is of."""
    if check.isolation:
        return Watched(client=check.client, broker=ISOLATION)
    at = "" if check.subject is Subject.CLUSTER else check.address
    return Watched(client=check.client, broker=check.label, address=at)


_WORST_FIRST: Final = (Verdict.FAILED, Verdict.ERROR, Verdict.NOT_SEEN, Verdict.BLOCKED, Verdict.PASSED)
_READ_AS: Final = {
    Verdict.FAILED: Reading.FAILED,
    Verdict.ERROR: Reading.BROKEN,
    Verdict.NOT_SEEN: Reading.NOT_SEEN,
    Verdict.BLOCKED: Reading.NOT_SEEN,
    Verdict.PASSED: Reading.OK,
}


def readings(run: ClientRun, watched: Iterable[Watched]) -> dict[Watched, Reading]:
    """What a run says of each; what it was not asked about is left out, what it did not reach is not."""
    # What must not work is looked at in deep rounds alone.
    watched = tuple(thing for thing in watched if thing.broker != ISOLATION or run.view.isolation)
    if run.run.started is None:
        return dict.fromkeys(watched, Reading.DID_NOT_RUN)
    if is_frozen(run.plan, run.run):
        return dict.fromkeys(watched, Reading.DID_NOT_RUN)
    found: dict[Watched, set[Verdict]] = {}
    for check in run.checks:
        if check.verdict is not Verdict.NOT_COVERED:
            found.setdefault(subject_of(check), set()).add(check.verdict)
    unknown = Reading.BROKEN if run.run.error else Reading.NOT_SEEN
    said = {}
    for thing in watched:
        verdicts = found.get(thing)
        if verdicts is not None:
            worst = next(each for each in _WORST_FIRST if each in verdicts)
            said[thing] = unknown if worst is Verdict.NOT_SEEN else _READ_AS[worst]
    return said


def red_checks(run: ClientRun) -> Mapping[Watched, tuple[str, ...]]:
    """The red checks of a run as findings name them, by what they are of."""
    red: dict[Watched, tuple[str, ...]] = {}
    for check in run.checks:
        if check.verdict is Verdict.FAILED:
            thing = subject_of(check)
            red[thing] = (*red.get(thing, ()), f"{check.client}/{check.check_id}")
    return red


# A host that stood still

SLACK_MS: Final = 2000
"""A stage that ends so much later than its deadline, twice the deadline included, was not run by a host that ran."""


def is_frozen(plan: Plan, run: VantageRun) -> bool:
    """Whether the probe's host stood still meanwhile: then silence is its own, and says nothing of the path.

    The probe honours each deadline by its own clock; a process that was stopped, or a machine that was paused, comes
    back long after them.
    """
    limits = plan.limits
    if run.closing is not None and run.closing.duration_ns / 1e6 > limits.plan_ms + 2 * SLACK_MS:
        return True
    return any(_came_late(outcome, limits) for outcome in run.outcomes)


def _came_late(outcome: Outcome, limits: Limits) -> bool:
    limit = SPECS[outcome.stage].limit
    if not limit or outcome.reason is not Reason.TIMED_OUT:
        return False
    return outcome.duration_ns / 1e6 > 2 * int(getattr(limits, limit)) + SLACK_MS
