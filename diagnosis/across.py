"""What no client can see alone: whether all of them reach the same cluster. Pure.

Each client's checks are judged by its own run. Here runs are laid side by side, and a check that only
the others can falsify turns red.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from diagnosis.check import Check, Verdict
from diagnosis.finding import Seen
from probes.outcome import MetadataFacts

CLUSTER_CHECK: Final = "cluster/metadata"
"""The check that every answer is from one cluster."""


def compared(clients: Sequence[Seen]) -> tuple[Seen, ...]:
    """The same runs, with those red that reach another cluster than most clients of the same cluster do.

    Where no cluster id has the majority, nobody knows which is the right one, and all are red. The id is the
    cluster's own and never changes (``cluster.id``, Apache Kafka).
    """
    ids = {id(seen): _cluster_id(seen) for seen in clients}
    found: dict[str, Counter[str]] = {}
    for seen in clients:
        if ids[id(seen)]:
            found.setdefault(seen.view.cluster_name, Counter())[ids[id(seen)]] += 1
    return tuple(_marked(seen, ids[id(seen)], found.get(seen.view.cluster_name, Counter())) for seen in clients)


def _cluster_id(seen: Seen) -> str:
    """The one cluster a client reached; empty where it reached none, or several, which is red already."""
    answers = {o.facts.cluster_id for o in seen.outcomes if isinstance(o.facts, MetadataFacts)}
    return answers.pop() if len(answers) == 1 else ""


def _marked(seen: Seen, cluster_id: str, found: Counter[str]) -> Seen:
    others = sorted(set(found) - {cluster_id})
    if not cluster_id or not others or 2 * found[cluster_id] > found.total():
        return seen
    observed = f"cluster {cluster_id} answers, other clients reach {' and '.join(others)}"
    checks = tuple(_red(check, observed) if check.check_id == CLUSTER_CHECK else check for check in seen.checks)
    return msgspec.structs.replace(seen, checks=checks)


def _red(check: Check, observed: str) -> Check:
    if check.verdict is not Verdict.PASSED:
        return check
    return msgspec.structs.replace(check, verdict=Verdict.FAILED, observed=observed)
