"""One look at all clients, before or after a change: facts, what is wrong, medians. A value that goes to disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from brokerproof.change.facts import Fact, facts_of
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding_text import text_of
from brokerproof.probes.outcome import Distribution, LatencyFacts, Outcome, PathLatencyFacts, Role
from brokerproof.probes.outcome.base import Value
from brokerproof.running.planning import ClientRun

_UNKNOWN: Final = frozenset({Verdict.ERROR, Verdict.NOT_SEEN})
_KINDS: Final = ("connect", "handshake", "produce_ack", "end_to_end")


class Look(Value, frozen=True, kw_only=True):
    """What all clients saw at one time."""

    at: float
    facts: tuple[Fact, ...]
    wrong: tuple[str, ...] = ()
    """Each finding in words."""
    unknown: tuple[str, ...] = ()
    """What was to be looked at and was not."""
    medians_ms: dict[str, float] = msgspec.field(default_factory=dict)
    """By ``client what``."""


def look_of(runs: Sequence[ClientRun], at: float) -> Look:
    """What runs show together."""
    found = diagnose([run.seen for run in runs])
    unknown = [f"{run.view.client}: {run.run.error}" for run in runs if run.run.error]
    unknown += [f"{check.client}/{check.check_id}" for run in runs for check in run.checks if check.verdict in _UNKNOWN]
    return Look(
        at=at,
        facts=tuple(fact for run in runs for fact in facts_of(run.view, run.run.outcomes)),
        wrong=tuple(text_of(finding) for finding in found.findings),
        unknown=tuple(unknown),
        medians_ms={key: median for run in runs for key, median in medians_of(run.view.client, run.run.outcomes)},
    )


def medians_of(client: str, outcomes: Sequence[Outcome]) -> list[tuple[str, float]]:
    """The median of each kind of time, of all addresses: that of their medians."""
    found: dict[str, list[int]] = {}
    for outcome in outcomes:
        facts = outcome.facts
        if not isinstance(facts, LatencyFacts | PathLatencyFacts) or (
            isinstance(facts, LatencyFacts) and outcome.target.role is not Role.CLUSTER
        ):
            continue
        for kind in _KINDS:
            one = getattr(facts, kind, None)
            if isinstance(one, Distribution) and one.p50_ns is not None:
                found.setdefault(kind, []).append(one.p50_ns)
    return [(f"{client} {kind}", sorted(each)[len(each) // 2] / 1e6) for kind, each in found.items()]
