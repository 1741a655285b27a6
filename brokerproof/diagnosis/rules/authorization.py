"""Rules of what a client may do: a refusal names its permission, and so its cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import Case, Named, Red, Said
from brokerproof.probes.outcome import (
    AuthorizeFacts,
    ConsumeFacts,
    GroupFacts,
    Outcome,
    ProduceFacts,
    Stage,
    TopicFacts,
)
from brokerproof.probes.outcome.permissions import GRANTS, Permission, Resource

_CODES: Final[Mapping[Resource, Code]] = {
    Resource.TOPIC: Code.AUTH_TOPIC_DENIED,
    Resource.GROUP: Code.AUTH_GROUP_DENIED,
    Resource.TRANSACTIONAL_ID: Code.AUTH_TRANSACTION_DENIED,
}
_ON_THE_CLUSTER: Final[Mapping[Permission, Code]] = {
    Permission.DESCRIBE_CLUSTER: Code.AUTH_CLUSTER_DENIED,
    Permission.DESCRIBE_SETTINGS: Code.AUTH_SETTINGS_DENIED,
    Permission.WRITE_IDEMPOTENTLY: Code.AUTH_IDEMPOTENT_DENIED,
}


def denied(case: Case, red: Red) -> Said | None:
    """The cause of a refusal, by the permission it was for; by its stage where that was not told."""
    lacking = _lacking(case.outcomes(red))
    if not lacking and red.check.stage is Stage.AUTHORIZE:
        return None
    if not lacking:
        facts = case.facts(red, GroupFacts)
        group = red.check.stage is Stage.GROUP and not (facts and facts.error_name == "TOPIC_AUTHORIZATION_FAILED")
        return frozenset({Code.AUTH_GROUP_DENIED if group else Code.AUTH_TOPIC_DENIED}), ""
    return _of_first(lacking)


def denied_next(case: Case, red: Red) -> Said | None:
    """The cause of a refusal that the second look was given; None where it was given none."""
    lacking = _lacking(case.again(red))
    return _of_first(lacking) if lacking else None


def _of_first(lacking: Sequence[Permission]) -> Said:
    first = _code(lacking[0])
    of_first = [each for each in lacking if _code(each) is first]
    words = " and ".join(GRANTS[each].words for each in of_first)
    return frozenset({first}), Named(f"the client lacks {words}")


def _code(permission: Permission) -> Code:
    resource = GRANTS[permission].resource
    return _ON_THE_CLUSTER[permission] if resource is Resource.CLUSTER else _CODES[resource]


def _lacking(outcomes: Iterable[Outcome]) -> list[Permission]:
    found: dict[Permission, None] = {}
    for outcome in outcomes:
        match outcome.facts:
            case AuthorizeFacts(denied=several):
                found |= dict.fromkeys(several)
            case TopicFacts() | ProduceFacts() | ConsumeFacts() | GroupFacts() as facts if facts.denied is not None:
                found[facts.denied] = None
            case _:
                pass
    return list(found)
