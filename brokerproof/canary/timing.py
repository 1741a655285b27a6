"""How long stages took, as the exports count it: the buckets of OpenTelemetry's messaging conventions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from brokerproof.canary.watched import Watched, watched_of
from brokerproof.probes.outcome import Outcome, ProduceFacts, Role, Stage, Status
from brokerproof.running.planning import ClientRun

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds in seconds of ``messaging.client.operation.duration`` (OpenTelemetry semantic conventions)."""


def label_of(outcome: Outcome) -> str:
    """Which broker an outcome is of, as checks call it; empty where it is of none that is watched."""
    target = outcome.target
    match target.role:
        case Role.BROKER:
            return f"broker-{target.broker_id}" if target.broker_id is not None else ""
        case Role.BOOTSTRAP:
            return "bootstrap"
        case Role.CLUSTER:
            return "cluster"
        case Role.ADVERTISED | Role.FORBIDDEN | Role.OTHER | Role.CONTROL:
            return ""


def brokers_of(run: ClientRun, outcome: Outcome) -> Iterator[str]:
    """The same; a resolution is of a name alone, and so of every broker of that name."""
    if outcome.stage is Stage.RESOLVE and outcome.target.role is Role.BROKER:
        name = outcome.target.name.lower()
        yield from (f"broker-{each.broker_id}" for each in run.view.brokers if each.name.lower() == name)
    elif label := label_of(outcome):
        yield label


def took_s(run: ClientRun) -> dict[Watched, float]:
    """How long each watched thing took where it was well: an address to connect, a leader to acknowledge.

    A broker of which no record was asked took as long as its name.
    """
    known = set(watched_of(run.view))
    found: dict[Watched, float] = {}
    for stage in (Stage.RESOLVE, Stage.CONNECT, Stage.PRODUCE, Stage.GROUP):
        for outcome in run.outcomes(stage):
            if outcome.status is not Status.OK or outcome.attempt > 1:
                continue
            for broker in brokers_of(run, outcome):
                thing = Watched(client=run.view.client, broker=broker, address=outcome.target.address)
                if thing in known:
                    found[thing] = _seconds(outcome)
    return found


def _seconds(outcome: Outcome) -> float:
    if isinstance(outcome.facts, ProduceFacts) and outcome.facts.first_ack_ns:
        return outcome.facts.first_ack_ns / 1e9
    return outcome.duration_ns / 1e9


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The upper bound of the bucket in which this share of the rounds is reached; None of none, or beyond the last."""
    total = sum(counts)
    if not total:
        return None
    reached = 0
    for bound, count in zip(BUCKETS, counts, strict=False):
        reached += count
        if reached >= share * total:
            return bound
    return None
