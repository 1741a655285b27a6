"""Which brokers each broker lists: every broker is asked the same Metadata, over its own connection. Pure.

A broker that is cut off from the cluster still answers clients, from what it knew before; the others leave it out
(fenced brokers, Apache Kafka KIP-631). The controller's id is not compared: with KRaft each broker gives any that
lives (KRaftMetadataCache.getControllerId).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from brokerproof.diagnosis.clusters import answers_elsewhere
from brokerproof.probes.outcome import IdentityFacts, MetadataFacts, Outcome, Stage, Status

Lists: TypeAlias = Mapping[int, frozenset[int]]
"""By the broker that answered, and proved that it is this one: the brokers it lists."""


def lists_of(outcomes: Sequence[Outcome]) -> Lists:
    """What each broker said, in any of its answers, about those of its own cluster."""
    who = {
        _place(o): o.facts.answered_by
        for o in outcomes
        if o.stage is Stage.IDENTITY and o.status is Status.OK and isinstance(o.facts, IdentityFacts)
    }
    elsewhere = answers_elsewhere(outcomes)
    found: dict[int, frozenset[int]] = {}
    for outcome in outcomes:
        answered_by = who.get(_place(outcome))
        if answered_by is not None and isinstance(outcome.facts, MetadataFacts) and outcome.target not in elsewhere:
            told = frozenset(broker.broker_id for broker in outcome.facts.brokers)
            found[answered_by] = found.get(answered_by, frozenset()) | told
    return found


def disputed(lists: Lists) -> dict[int, tuple[int, ...]]:
    """Brokers that answered for themselves, and that some list and some do not: each with those that leave it out."""
    left_out = {broker_id: tuple(sorted(by for by in lists if broker_id not in lists[by])) for broker_id in lists}
    return {broker_id: by for broker_id, by in sorted(left_out.items()) if by and len(by) < len(lists)}


def cut_off(lists: Lists) -> frozenset[int]:
    """Disputed brokers that list themselves, and that most of the others leave out: theirs is the old world."""
    return frozenset(
        broker_id for broker_id, by in disputed(lists).items() if broker_id not in by and 2 * len(by) > len(lists) - 1
    )


def _place(outcome: Outcome) -> tuple[str, str, int]:
    return outcome.target.name.lower(), outcome.target.address, outcome.target.port
