"""A plan survives its journey to another host, and only a plan does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.probes.outcome import Acks, Compression, Stage
from brokerproof.probes.plan import (
    Endpoint,
    ForbiddenConnect,
    LatencyPlan,
    Limits,
    Plan,
    RampPlan,
    ThroughputPlan,
    Tls,
    TopicMode,
    TopicPlan,
    decode_plan,
    encode_plan,
)

PORTS = st.integers(1, 65535)
POSITIVE = st.integers(1, 10**9)
ENDPOINTS = st.builds(Endpoint, name=st.text(min_size=1), port=PORTS, broker_id=st.none() | st.integers(0, 2**31 - 1))
HOLD_MS = 1000
THROUGHPUTS = st.builds(
    ThroughputPlan,
    total_bytes=POSITIVE,
    max_ms=st.integers(1, 600_000),
    record_bytes=st.integers(8, 1_000_000),
    acks=st.sampled_from(Acks),
    compression=st.sampled_from(Compression),
    partitions_per_broker=st.integers(1, 100),
    connections_per_broker=st.integers(1, 32),
    ramp=st.none()
    | st.builds(RampPlan, total_bytes=POSITIVE, max_ms=st.integers(100, 600_000), step_ms=st.integers(100, 60_000)),
)


def plans(
    stages: st.SearchStrategy[tuple[Stage, ...]], idle_hold_ms: st.SearchStrategy[int]
) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        plan_id=st.text(),
        client=st.text(),
        bootstrap=st.lists(ENDPOINTS, min_size=1, max_size=4).map(tuple),
        brokers=st.lists(ENDPOINTS, max_size=4).map(tuple),
        stages=stages,
        idle_hold_ms=idle_hold_ms,
        tls=st.none() | st.builds(Tls, ca_file=st.none() | st.text()),
        resolver=st.none() | st.text(),
        topic=st.builds(
            TopicPlan,
            mode=st.sampled_from(TopicMode),
            name=st.text(),
            replication_factor=POSITIVE,
            records_per_leader=POSITIVE,
            record_bytes=POSITIVE,
        ),
        limits=st.builds(
            Limits, **dict.fromkeys(Limits.__struct_fields__, POSITIVE) | {"plan_ms": st.integers(HOLD_MS + 1, 10**9)}
        ),
        latency=st.none() | st.builds(LatencyPlan, **dict.fromkeys(LatencyPlan.__struct_fields__, POSITIVE)),
        throughput=st.none() | THROUGHPUTS,
        forbidden=st.lists(st.builds(ForbiddenConnect, address=st.text(), port=PORTS, why=st.text()), max_size=3).map(
            tuple
        ),
    )


WITHOUT_IDLE = st.lists(st.sampled_from([stage for stage in Stage if stage is not Stage.IDLE])).map(tuple)
PLANS = plans(WITHOUT_IDLE, st.just(0)) | plans(
    WITHOUT_IDLE.map(lambda stages: (*stages, Stage.IDLE)), st.integers(1, HOLD_MS)
)


@given(PLANS)
def test_a_plan_is_the_same_after_the_journey(plan: Plan) -> None:
    line = encode_plan(plan)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_plan(line) == plan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "plan version 2; this probe understands 1"),
        ({"bootstrap": []}, "bootstrap is empty"),
        ({"bootstrap": [{"name": "", "port": 1}]}, "name is empty"),
        ({"bootstrap": [{"name": "b", "port": 65536}]}, "port 65536 is not in 1..65535"),
        ({"limits": {"connect_ms": 0}}, "connect_ms must be positive"),
        ({"throughput": {"record_bytes": 7}}, "record_bytes 7 is not in 8..1000000"),
        ({"throughput": {"connections_per_broker": 33}}, "connections_per_broker 33 is not in 1..32"),
        ({"throughput": {"acks": "0"}}, "$.throughput.acks"),
        ({"throughput": {"ramp": {"step_ms": 50}}}, "step_ms 50 is not in 100..60000"),
        ({"stages": ["conect"]}, "$.stages[0]"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    good = {"plan_id": "p", "client": "c", "bootstrap": [{"name": "b", "port": 9094}]}
    decode_plan(msgspec.json.encode(good))
    with pytest.raises(msgspec.DecodeError) as problem:
        decode_plan(msgspec.json.encode(good | change))
    assert words in str(problem.value)
