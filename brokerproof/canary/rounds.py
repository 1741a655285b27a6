"""What a light round and a deep round look at, and what each costs the brokers. Pure."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

import msgspec

from brokerproof.canary.schedule import Budget
from brokerproof.probes.outcome import Stage
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.registry import SPECS, STAGES, up_to
from brokerproof.probes.plan import VERIFY_STAGES, Limits, Plan, TopicPlan
from brokerproof.running.planning import LIMITS, make_plan, without_isolation
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.models import Client


class Depth(StrEnum):
    """How much a round looks at."""

    LIGHT = "light"
    """Names, every address up to the broker's identity; with an existing topic also records and the group."""
    DEEP = "deep"
    """Everything that a verification looks at, what must not work included."""


LIGHT_ATTEMPTS: Final = 2
"""Connections to each address in a light round: of two targets behind a listener a dead one is met in most rounds."""
PATH: Final = up_to(Stage.IDENTITY)
RECORDS: Final = tuple(stage for stage in STAGES if SPECS[stage].moves_records and not SPECS[stage].measurement)


class RoundPlan(Value, frozen=True, kw_only=True):
    """A round of one client, and what it must see in it."""

    depth: Depth
    view: ClientView
    plan: Plan
    connections: int
    """At one broker: the most that the round makes when all is well."""
    authentications: int


def round_plan(view: ClientView, client: Client, depth: Depth, *, limits: Limits = LIMITS) -> RoundPlan:
    """A round of a client.

    Records of light rounds need a topic that is there: one made and removed every minute would be a burden of its own.
    """
    match depth:
        case Depth.DEEP:
            plan = make_plan(view, client, measure=False, stages=VERIFY_STAGES, limits=limits)
        case Depth.LIGHT:
            view = without_isolation(view)
            stages = (*PATH, *RECORDS) if client.existing_topic else PATH
            whole = make_plan(view, client, measure=False, stages=stages, limits=limits)
            plan = msgspec.structs.replace(
                whole,
                connect_attempts=LIGHT_ATTEMPTS,
                without_sni=False,
                control_names=(),
                control_connects=(),
                topic=msgspec.structs.replace(whole.topic, records_per_leader=1)
                if client.existing_topic
                else TopicPlan(),
            )
    connections, authentications = _costs(view, plan)
    return RoundPlan(depth=depth, view=view, plan=plan, connections=connections, authentications=authentications)


def _costs(view: ClientView, plan: Plan) -> tuple[int, int]:
    """Connections and authentications at the broker that has most of them: attempts, and one for what follows."""
    at: Counter[int] = Counter()
    logins: Counter[int] = Counter()
    own = len(set(plan.stages) & {Stage.PATH_SIZE, Stage.IDLE})
    for broker in view.brokers:
        addresses = sum(address.must_connect for address in broker.addresses)
        at[broker.broker_id] += addresses * (plan.connect_attempts + own)
        logins[broker.broker_id] += addresses
        if Stage.PRODUCE in plan.stages:
            at[broker.broker_id] += 4  # a producer, a consumer, one of the group, the coordinator's
            logins[broker.broker_id] += 4
    authenticated = plan.authentication is not None
    return max(at.values(), default=0), max(logins.values(), default=0) if authenticated else 0


def busy_share(plans: tuple[RoundPlan, ...], budget: Budget, every_s: float) -> float:
    """The share of an interval that these rounds take of the budget; more than 1 cannot be kept."""
    return sum(budget.takes_s(each.connections, each.authentications) for each in plans) / every_s
