"""How long silence may last before it is a verdict."""

from __future__ import annotations

import pytest

from probes.plan import Limits
from scenarios.planning import LEAST_VERDICT_MS, LIMITS, VERDICT_MS, limits_within

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


def test_records_keep_the_deadlines_of_the_cluster() -> None:
    for stage in ("produce_ms", "consume_ms", "group_ms"):
        assert getattr(LIMITS, stage) == getattr(Limits(), stage)
