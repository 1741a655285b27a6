"""Which brokers each broker lists: every broker is asked the same Metadata, over its own connection. Pure.

A broker that is cut off from the cluster still answers clients, from what it knew before; the others leave it out
(fenced brokers, Apache Kafka KIP-631). The controller's id is not compared: with KRaft each broker gives any that
lives (KRaftMetadataCache.getControllerId).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from brokerproof.probes.outcome import IdentityFacts, MetadataFacts, Outcome, Stage, Status

Lists: TypeAlias = Mapping[int, frozenset[int]]
"""By the broker that answered, and proved that it is this one: the brokers it lists."""


def told_by(outcomes: Sequence[Outcome]) -> Iterator[tuple[int, MetadataFacts]]:
    """Each metadata answer whose broker proved who it is, of the one cluster that most answers are from."""
    who = {
        o.target.place: o.facts.answered_by
        for o in outcomes
        if o.stage is Stage.IDENTITY and o.status is Status.OK and isinstance(o.facts, IdentityFacts)
    }
    answers = [o for o in outcomes if isinstance(o.facts, MetadataFacts) and who.get(o.target.place) is not None]
    counted = Counter(o.facts.cluster_id for o in answers if isinstance(o.facts, MetadataFacts))
    most = max(counted, key=lambda cluster_id: (counted[cluster_id], cluster_id), default="")
    for outcome in answers:
        answered_by = who[outcome.target.place]
        if answered_by is not None and isinstance(outcome.facts, MetadataFacts) and outcome.facts.cluster_id == most:
            yield answered_by, outcome.facts


def lists_of(outcomes: Sequence[Outcome]) -> Lists:
    """What each broker said in any of its answers."""
    found: dict[int, frozenset[int]] = {}
    for answered_by, facts in told_by(outcomes):
        told = frozenset(broker.broker_id for broker in facts.brokers)
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
