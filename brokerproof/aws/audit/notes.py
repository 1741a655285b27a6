"""What is right today and will not stay so, or is not what was meant: quotas, overlaps, what expires, drift. Pure.

A note is no cause: no path fails for it now, so it is no finding and changes no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Final

from brokerproof.aws.audit.values import Note, NoteKind
from brokerproof.aws.facts import AccountFacts
from brokerproof.topology.models import Model, Topology
from brokerproof.topology.rules.references import IDS
from brokerproof.wording import listed

NEAR: Final = 0.8
"""From which share of a quota on it is said."""
_SMALL: Final = ".t3."
_IAM_SMALL, _IAM_OTHERS = 4, 100
_MOST_TOLD: Final = 3
_DEFAULTS: Final = "a default, which Service Quotas can raise"


def notes(facts: AccountFacts, meant: Topology | None = None) -> Iterator[Note]:
    """Every note, by kind.

    Args:
        facts: What was read.
        meant: What was meant, as an account would show it; None where nobody wrote it down.
    """
    yield from _quotas(facts)
    yield from _overlaps(facts.topology)
    for item in facts.expiring:
        says = f"is {item.state}, and expires {item.when}"
        yield Note(kind=NoteKind.EXPIRING, what=item.resource, says=says, change=item.change)
    if meant is not None:
        yield from _drift(facts, meant)


# Quotas


def _quotas(facts: AccountFacts) -> Iterator[Note]:
    topology = facts.topology
    counted: list[tuple[str, int, int, str]] = [
        (f"load balancer {b.load_balancer_name}", len(b.listeners), 50, "listeners") for b in topology.load_balancers
    ]
    """Elastic Load Balancing, quotas of Network Load Balancers."""
    for group in topology.security_groups:
        counted += [
            (f"security group {group.group_id}", len(group.ingress), 60, "rules for what comes in"),
            (f"security group {group.group_id}", len(group.egress), 60, "rules for what goes out"),
        ]
    for vpc in topology.vpcs:
        peerings = [p for p in topology.vpc_peering_connections if vpc.vpc_id in p.sides]
        endpoints = topology.endpoints_in(vpc.vpc_id)
        counted += [
            (vpc.vpc_id, len(peerings), 50, "peering connections on these paths alone"),
            (vpc.vpc_id, len(endpoints), 50, "interface endpoints on these paths alone"),
        ]
    for what, count, most, of in counted:
        if count >= NEAR * most:
            says = f"has {count} of {most} {of} ({_DEFAULTS})"
            yield Note(kind=NoteKind.QUOTA, what=what, says=says, change="ask for more before the next one is added")
    yield from _logins(facts)


def _logins(facts: AccountFacts) -> Iterator[Note]:
    """New connections by IAM, of which MSK takes few a second from small brokers (MSK developer guide, quotas)."""
    for cluster in facts.topology.clusters:
        kind = facts.instance_types.get(cluster.cluster_name, "")
        if _SMALL in kind and any(listener.name.startswith("CLIENT_IAM") for listener in cluster.listeners):
            yield Note(
                kind=NoteKind.QUOTA,
                what=f"cluster {cluster.cluster_name}",
                says=f"has brokers of {kind}, each of which takes {_IAM_SMALL} new connections by IAM a second, where "
                f"others take {_IAM_OTHERS}; beyond that clients see 'Too many connects'",
                change="have clients back off when they reconnect, or use larger brokers",
            )


# Overlaps


def _overlaps(topology: Topology) -> Iterator[Note]:
    """Blocks that VPCs of these paths share: nothing can ever be routed between them."""
    for one, other in combinations(topology.vpcs, 2):
        shared = [
            (mine, theirs)
            for mine in one.blocks
            for theirs in other.blocks
            if mine.version == theirs.version and mine.overlaps(theirs)
        ]
        if shared:
            mine, theirs = shared[0]
            yield Note(
                kind=NoteKind.OVERLAP,
                what=f"{one.vpc_id} and {other.vpc_id}",
                says=f"have {mine} and {theirs} in common: no peering joins them, and no gateway routes between them",
                change="join them by PrivateLink alone",
            )


# Drift


_NOT_COMPARED: Final = frozenset({"transit_gateways", "clusters", "clients"})
"""Has nothing of its own, or is what the reader was asked by."""


def _drift(facts: AccountFacts, meant: Topology) -> Iterator[Note]:
    """Resources that are not as they were meant, those that are missing, and those that nobody meant."""
    for collection, key in IDS:
        if collection in _NOT_COMPARED:
            continue
        found = {getattr(item, key): item for item in getattr(facts.topology, collection)}
        wanted = {getattr(item, key): item for item in getattr(meant, collection)}
        for one in sorted(found.keys() | wanted.keys()):
            what = f"{collection} {one}"
            if one not in found:
                yield _drifted(what, "was meant, and is not in the account")
            elif one not in wanted:
                yield _drifted(what, "is in the account, and was not meant")
            else:
                differ = list(_fields(found[one], wanted[one]))
                if differ:
                    more = f" and {len(differ) - _MOST_TOLD} more" if len(differ) > _MOST_TOLD else ""
                    yield _drifted(what, f"{'; '.join(differ[:_MOST_TOLD])}{more}")


def _drifted(what: str, says: str) -> Note:
    return Note(kind=NoteKind.DRIFT, what=what, says=says, change="mend the account, or the file of what was meant")


def _fields(found: Model, wanted: Model) -> Iterator[str]:
    for name in type(found).model_fields:
        one, other = getattr(found, name), getattr(wanted, name)
        if isinstance(one, tuple) and isinstance(other, tuple):
            lost, new = [v for v in other if v not in one], [v for v in one if v not in other]
            if lost:
                yield f"{name} lacks {_short(lost)}"
            if new:
                yield f"{name} has {_short(new)} beside what was meant"
        elif one != other:
            yield f"{name} is {_short([one])}, and {_short([other])} was meant"


def _short(values: Iterable[object]) -> str:
    return listed([_words(value) for value in values])


def _words(value: object) -> str:
    """A value in the words of a topology file, what it leaves out left out."""
    if not isinstance(value, Model):
        return str(value)
    given = value.model_dump(mode="json", exclude_defaults=True)
    return "{" + ", ".join(f"{key}: {told}" for key, told in given.items()) + "}"
