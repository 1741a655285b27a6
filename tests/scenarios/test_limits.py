"""How long silence may last before it is a verdict."""

from __future__ import annotations

import argparse

import pytest

from brokerproof.probes.outcome import Stage
from brokerproof.probes.plan import Limits, Plan
from brokerproof.running.option_words import MAX_IDLE_HOLD_MS
from brokerproof.running.option_words import hold_ms_in as _hold_ms
from brokerproof.running.planning import LEAST_VERDICT_MS, LIMITS, VERDICT_MS, limits_within, make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS

PATH = ("resolve_ms", "connect_ms", "handshake_ms", "request_ms")


@pytest.mark.parametrize("verdict_ms", [LEAST_VERDICT_MS, VERDICT_MS, 7001, 60_000])
def test_silence_at_any_one_stage_of_the_path_leaves_time_for_what_answers(verdict_ms: int) -> None:
    limits = limits_within(verdict_ms)
    for stage in PATH:
        assert getattr(limits, stage) <= verdict_ms * 0.7
    assert limits.plan_ms > 5 * verdict_ms


def test_a_syn_is_sent_again_before_a_connection_is_given_up() -> None:
    assert limits_within(LEAST_VERDICT_MS).connect_ms > 1100
    with pytest.raises(ValueError, match="it takes 4000 ms"):
        limits_within(LEAST_VERDICT_MS - 1)


def test_five_seconds_are_the_default() -> None:
    assert VERDICT_MS == 5000
    assert limits_within() == LIMITS
    assert LIMITS.sts_ms == 3000, "said in docs/authentication.md"


def test_records_keep_the_deadlines_of_the_cluster() -> None:
    for stage in ("produce_ms", "consume_ms", "group_ms"):
        assert getattr(LIMITS, stage) == getattr(Limits(), stage)


def plan_that_holds(hold_ms: int) -> Plan:
    topology = PATTERNS["in_vpc"].build()
    return make_plan(
        expect(topology, "cluster_vpc"), topology.client("cluster_vpc"), measure=False, idle_hold_ms=hold_ms
    )


def test_without_the_option_nothing_is_held_idle() -> None:
    assert Stage.IDLE not in plan_that_holds(0).stages
    assert plan_that_holds(0).limits == LIMITS


def test_a_plan_has_the_time_of_its_silence_on_top() -> None:
    held = plan_that_holds(360_000)
    assert Stage.IDLE in held.stages
    assert held.idle_hold_ms == 360_000
    assert held.limits.plan_ms == LIMITS.plan_ms + 360_000


@pytest.mark.parametrize(("seconds", "hold_ms"), [("0", 0), ("360", 360_000), ("0.5", 500), ("6000", MAX_IDLE_HOLD_MS)])
def test_the_option_is_in_seconds(seconds: str, hold_ms: int) -> None:
    assert _hold_ms(seconds) == hold_ms


@pytest.mark.parametrize("seconds", ["-1", "6001", "six", "inf", "nan"])
def test_a_silence_that_makes_no_sense_is_refused(seconds: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        _hold_ms(seconds)
