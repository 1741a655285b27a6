"""Which cluster a client's answers come from, where they come from several. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from brokerproof.diagnosis.outcome_index import first_look
from brokerproof.probes.outcome import MetadataFacts, Outcome, Role, Target


def own_cluster_id(outcomes: Iterable[Outcome]) -> str:
    """The cluster that answers by the brokers' own names, or by most of them; empty where no one has most.

    Where no broker's own name was answered at, all answers count. Who answers a bootstrap name may be anybody.
    """
    read = [(o.target.role, o.facts.cluster_id) for o in first_look(outcomes) if isinstance(o.facts, MetadataFacts)]
    at_brokers = [cluster_id for role, cluster_id in read if role is Role.BROKER]
    found = Counter(at_brokers or [cluster_id for _, cluster_id in read])
    most = found.most_common(1)
    return most[0][0] if most and 2 * most[0][1] > found.total() else ""


def answers_elsewhere(outcomes: Iterable[Outcome]) -> dict[Target, MetadataFacts]:
    """What another cluster than the client's own answered, by where; nothing where nobody knows which is its own."""
    outcomes = first_look(outcomes)
    own = own_cluster_id(outcomes)
    return {
        outcome.target: outcome.facts
        for outcome in outcomes
        if own and isinstance(outcome.facts, MetadataFacts) and outcome.facts.cluster_id != own
    }
