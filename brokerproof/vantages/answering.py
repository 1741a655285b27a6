"""Whether outcomes answer the plan: its targets and stages, each once, and no more than it can have.

A far side is not trusted: what it sends is evidence only where the plan asked for it. Pure.
"""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome import Outcome, Role, Stage, Target
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.probes.plan import Plan
from brokerproof.vantages.consistency import contradictions

MAX_ADVERTISED: Final = 1000
"""Endpoints that are advertised but not planned. A probe takes 500 brokers of an answer for one cluster at most."""
MAX_ADDRESSES: Final = 256
"""Of all endpoints together, an endpoint: no name of MSK's or of a load balancer's has a tenth."""


class Answering:
    """Hears one run's outcomes, and says what is wrong with each."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._brokers = {_place(each.name, each.port) for each in plan.brokers}
        self._bootstrap = {_place(each.name, each.port) for each in plan.bootstrap}
        self._forbidden = {(each.address, each.port) for each in plan.forbidden}
        self._others = set(plan.other_names)
        self._controls = {Target(role=Role.CONTROL, name=name) for name in plan.control_names}
        self._controls |= {Target(role=Role.CONTROL, address=a.address, port=a.port) for a in plan.control_connects}
        measured = {Stage.LATENCY} if plan.latency is not None or plan.path_latency is not None else set()
        measured |= {Stage.THROUGHPUT} if plan.throughput is not None else set()
        self._stages = {*plan.stages, *measured}
        self._answered: dict[tuple[Stage, Target, int, int], Outcome] = {}
        self._advertised: set[tuple[str, int, int | None]] = set()
        endpoints = len(self._brokers) + len(self._bootstrap) + (MAX_ADVERTISED if plan.bootstrap else 0)
        once = len(self._forbidden) + len(self._others) + len(self._controls) + len(self._stages)
        times = 2 if plan.look_again else 1
        self._most = times * (
            once
            + endpoints * len(self._stages)
            + MAX_ADDRESSES
            * ((len(self._brokers) + len(self._bootstrap)) * (len(self._stages) + plan.connect_attempts))
        )

    def fault(self, outcome: Outcome) -> str:
        """What the outcome is that the plan did not ask for; empty where it did."""
        key = (outcome.stage, outcome.target, outcome.attempt, outcome.look)
        if len(self._answered) >= self._most:
            return f"sent more than {self._most} outcomes, the most that the plan can have"
        if key in self._answered:
            return f"sent {_words(outcome)} twice"
        if not self._asked(outcome):
            return f"sent {_words(outcome)}, which the plan does not ask for"
        if outcome.target.role is Role.ADVERTISED:
            endpoint = (outcome.target.name, outcome.target.port, outcome.target.broker_id)
            if endpoint not in self._advertised and len(self._advertised) >= MAX_ADVERTISED:
                return f"sent outcomes of more than {MAX_ADVERTISED} advertised endpoints"
            self._advertised.add(endpoint)
        self._answered[key] = outcome
        return ""

    def contradictions(self, duration_ns: int) -> list[str]:
        """What the outcomes say that cannot be true together, once all of them are there; a few of them."""
        return contradictions(self._plan, self._answered, duration_ns)

    def _asked(self, outcome: Outcome) -> bool:
        stage, target = outcome.stage, outcome.target
        again = outcome.look > 1
        several = (stage, target.role) == (Stage.CONNECT, Role.BROKER) and not again
        if not 1 <= outcome.attempt <= (self._plan.connect_attempts if several else 1):
            return False
        if again and not self._plan.look_again:
            return False
        planned = stage in self._stages
        spec = SPECS[stage]
        match target.role:
            case Role.FORBIDDEN:
                bare = Target(role=Role.FORBIDDEN, address=target.address, port=target.port)
                asked = stage is Stage.CONNECT and target == bare and (target.address, target.port) in self._forbidden
            case Role.OTHER:
                bare = Target(role=Role.OTHER, name=target.name)
                asked = planned and stage is Stage.RESOLVE and target == bare and target.name in self._others
            case Role.CONTROL:
                of_it = Stage.RESOLVE if target.name else Stage.CONNECT
                asked = planned and stage is of_it and target in self._controls
            case Role.CLUSTER:
                asked = planned and spec.moves_records and target == Target(role=Role.CLUSTER)
            case Role.BROKER:
                asked = planned and self._is_at(target, stage, self._brokers)
            case Role.BOOTSTRAP:
                known = target.broker_id is None and self._is_at(target, stage, self._bootstrap)
                asked = planned and not spec.moves_records and not spec.brokers_only and known
            case Role.ADVERTISED:
                asked = planned and not spec.brokers_only and bool(self._plan.bootstrap)
        return asked

    @staticmethod
    def _is_at(target: Target, stage: Stage, places: set[tuple[str, int]]) -> bool:
        """Whether the target is one of these names and ports; a resolution is of a name alone."""
        if stage is Stage.RESOLVE:
            bare = Target(role=target.role, name=target.name)
            return target == bare and any(canonical(target.name) == name for name, _ in places)
        return _place(target.name, target.port) in places


def _place(name: str, port: int) -> tuple[str, int]:
    return canonical(name), port


def _words(outcome: Outcome) -> str:
    target = outcome.target
    port = f"port {target.port}" if target.port else ""
    where = " ".join(part for part in (target.name, target.address, port) if part)
    attempt = f", attempt {outcome.attempt}" if outcome.attempt != 1 else ""
    look = f", look {outcome.look}" if outcome.look != 1 else ""
    return f"{outcome.stage} of {target.role} {where}".rstrip() + attempt + look
