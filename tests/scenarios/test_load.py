"""The option ``--load``: every setting reaches the plan, and what makes no sense is refused by its name."""

from __future__ import annotations

import argparse

import msgspec
import pytest

from brokerproof.probes.outcome import Acks, Compression, Stage
from brokerproof.probes.plan import Plan, RampPlan, ThroughputPlan
from brokerproof.running.load_option import DEFAULT, KEYS, load_of
from brokerproof.running.option_words import load_in as _load
from brokerproof.running.planning import LIMITS, make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("record_bytes=100", {"record_bytes": 100}),
        (" acks = 1 , compression = zstd ", {"acks": Acks.LEADER, "compression": Compression.ZSTD}),
        ("partitions_per_broker=4,connections_per_broker=8", {"partitions_per_broker": 4, "connections_per_broker": 8}),
        ("total_bytes=1000,max_ms=10", {"total_bytes": 1000, "max_ms": 10}),
        ("ramp=on", {"ramp": RampPlan()}),
        ("ramp=off", {}),
        ("ramp_step_ms=500", {"ramp": RampPlan(step_ms=500)}),
        ("ramp=on,ramp_max_ms=500", {"ramp": RampPlan(max_ms=500)}),
    ],
)
def test_what_is_said_is_planned_and_the_rest_is_the_default(text: str, changed: dict[str, object]) -> None:
    assert load_of(text) == msgspec.structs.replace(DEFAULT, **changed)


def test_every_setting_of_the_plan_has_a_key() -> None:
    said = {key.removeprefix("ramp_") if key.startswith("ramp_") else key for key in KEYS}
    assert said == {*ThroughputPlan.__struct_fields__, *RampPlan.__struct_fields__}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is no setting of the load; there are: total_bytes, max_ms, record_bytes, acks,"),
        ("size=5", "'size' is no setting of the load"),
        ("record_bytes", "record_bytes has no value: it is written record_bytes=VALUE"),
        ("record_bytes=", "record_bytes has no value"),
        ("acks=1,acks=all", "acks is given twice"),
        ("record_bytes=5", "record_bytes 5 is not in 8..1000000"),
        ("record_bytes=many", "record_bytes: Expected `int`"),
        ("acks=0", "acks: Invalid enum value '0'"),
        ("ramp=yes", "ramp is 'yes': it is on or off"),
        ("ramp=off,ramp_max_ms=500", "ramp is off, and ramp_max_ms is given"),
        ("ramp_step_ms=1", "ramp: step_ms 1 is not in 100..60000"),
        ("ramp_step_ms=1.5", "ramp_step_ms: Expected `int`"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(text: str, words: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        _load(text)
    assert str(refused.value).startswith(words)


def planned(text: str, *, measure: bool = True) -> Plan:
    topology = PATTERNS["in_vpc"].build()
    return make_plan(
        expect(topology, "cluster_vpc"), topology.client("cluster_vpc"), measure=measure, load=load_of(text)
    )


def test_a_plan_has_the_time_its_load_takes() -> None:
    assert planned("acks=1").limits == LIMITS
    assert planned("max_ms=5000").limits.plan_ms == LIMITS.plan_ms + 2 * 3000
    assert planned("ramp_max_ms=7000").limits.plan_ms == LIMITS.plan_ms + 7000 + LIMITS.produce_ms
    without = planned("ramp=on", measure=False)
    assert (without.limits, without.throughput) == (LIMITS, None)
    assert Stage.THROUGHPUT not in without.stages
