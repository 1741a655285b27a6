"""What of a plan is looked at a second time: what failed. Pure.

What has failed once and not again was over by then; what failed both times lasts. The second look is no retry: its
outcomes are marked, and the first ones stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from brokerproof.probes.outcome import Outcome, Reason, Role, Status
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.probes.plan import Endpoint, Plan

_ANSWERED: Final = frozenset({Reason.REFUSED, Reason.RESET})


def failures(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Those that may be red, measurements apart: what failed, and what must not answer and did."""
    return tuple(
        outcome
        for outcome in outcomes
        if not SPECS[outcome.stage].measurement
        and outcome.target.role is not Role.CONTROL
        and (_answers(outcome) if outcome.target.role is Role.FORBIDDEN else outcome.status is Status.FAILED)
    )


def second_plan(plan: Plan, failed: Iterable[Outcome]) -> Plan | None:
    """The plan of the second look at what failed in the first; None where there is nothing to look at.

    Records go through every broker of the plan again where any of them failed, over connections of their own.
    """
    failed = tuple(failed)
    records = any(SPECS[outcome.stage].moves_records for outcome in failed)
    brokers = tuple(each for each in plan.brokers if records or _is_among(each, failed))
    bootstrap = tuple(each for each in plan.bootstrap if _is_among(each, failed)) or brokers[:1] or plan.bootstrap[:1]
    paths = records or bool(brokers) or any(_is_among(each, failed) for each in plan.bootstrap)
    doors = {(o.target.address, o.target.port) for o in failed if o.target.role is Role.FORBIDDEN}
    names = {o.target.name for o in failed if o.target.role is Role.OTHER}
    forbidden = tuple(each for each in plan.forbidden if (each.address, each.port) in doors)
    others = tuple(name for name in plan.other_names if name in names)
    if not paths and not forbidden and not others:
        return None
    login = plan.authentication and msgspec.structs.replace(plan.authentication, checks_nonce=False, asks_sts=False)
    own = {outcome.stage for outcome in failed}
    stages = tuple(
        stage
        for stage in plan.stages
        if not SPECS[stage].measurement
        and (records or not SPECS[stage].moves_records)
        and (stage in own or not SPECS[stage].brokers_only)
    )
    return msgspec.structs.replace(
        plan,
        bootstrap=bootstrap if paths else (),
        brokers=brokers,
        stages=stages,
        forbidden=forbidden,
        other_names=others,
        control_names=(),
        control_connects=(),
        connect_attempts=1,
        authentication=login,
        idle_hold_ms=0,
        latency=None,
        path_latency=None,
        throughput=None,
    )


def _answers(outcome: Outcome) -> bool:
    return outcome.status is Status.OK or outcome.reason in _ANSWERED


def _is_among(endpoint: Endpoint, failed: Iterable[Outcome]) -> bool:
    """Whether something failed at this endpoint: at its name, or at one of the addresses of its name and port."""
    name = canonical(endpoint.name)
    return any(
        outcome.target.role in {Role.BROKER, Role.BOOTSTRAP}
        and canonical(outcome.target.name) == name
        and outcome.target.port in {0, endpoint.port}
        for outcome in failed
    )
