"""Fresh connections at a fixed rate: what is timed, what a stall does to it, and what a failed one says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from brokerproof.probes.load import path_latency
from brokerproof.probes.load.host_load import HostTicks
from brokerproof.probes.load.path_latency import PathLatency
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import Measured, PathLatencyFacts, Reason, Role, Stage, Status, Target
from brokerproof.probes.outcome.samples import unpack
from brokerproof.probes.plan import Limits, PathLatencyPlan, Tls
from brokerproof.probes.stages.handshake import trust
from brokerproof.probes.threads import in_thread
from tests.probes.authority import Authority
from tests.probes.conftest import Names
from tests.probes.fake_dns import answering, dns_server
from tests.probes.peers import closed_port, peer, run, silent
from tests.probes.running import PATIENT, Result, plan, probe, waiting

NAME = "b-1.demo.test"
ADDRESSES = ("127.0.0.2", "127.0.0.3")
STAGES = (Stage.RESOLVE, Stage.CONNECT, Stage.HANDSHAKE)
TARGET = Target(role=Role.BROKER, name="b-1", address="127.0.0.1", port=9094, broker_id=1)


def facts_of(result: Result, address: str) -> PathLatencyFacts:
    outcome = result.one(Stage.LATENCY, address=address)
    assert outcome.status is Status.OK, outcome
    assert isinstance(outcome.facts, PathLatencyFacts)
    return outcome.facts


def test_every_address_is_timed_by_itself(authority: Authority, os_names: Names) -> None:
    os_names[NAME] = ADDRESSES
    wanted = PathLatencyPlan(samples=20, warm_up=4, rate_per_s=100)

    async def work() -> Result:
        context = authority.server(NAME)
        async with (
            dns_server(answering(f"{NAME}. 60 IN A {'|'.join(ADDRESSES)}")) as server,
            peer(silent, context=context, address=ADDRESSES[0]) as port,
            peer(silent, context=context, address=ADDRESSES[1], port=port),
        ):
            tls = Tls(ca_file=str(authority.ca_file))
            fields: dict[str, Any] = {"path_latency": wanted, "raw_samples": True, "resolver": str(server)}
            return await probe(plan(port, name=NAME, stages=STAGES, tls=tls, **fields))

    result = run(work())
    for address in ADDRESSES:
        facts = facts_of(result, address)
        assert facts.handshake is not None
        assert facts.resolve is not None
        assert (facts.connect.samples, facts.handshake.samples, facts.warm_up_samples) == (10, 10, 2)
        assert facts.kernel_rtt is not None
        assert facts.kernel_rtt.samples == 10
        assert 0 < facts.kernel_rtt.min_ns <= facts.connect.min_ns
        # The name is the same: every question about it counts for each of its addresses.
        assert facts.resolve.samples == 20
        assert 0 < facts.connect.min_ns < facts.handshake.min_ns
        assert facts.connect_scheduled.max_ns >= facts.connect.max_ns
        assert facts.failed == 0
        assert facts.host is not None
    blocks = {(block.what, block.target.address, block.warm_up): unpack(block) for block in result.samples}
    assert len(blocks) == 2 * (2 * len(ADDRESSES) + 1)
    handshakes = blocks[Measured.HANDSHAKE, ADDRESSES[0], False]
    connects = blocks[Measured.CONNECT, ADDRESSES[0], False]
    assert len(handshakes) == len(connects) == 10
    assert all(took > 0 for took in handshakes.duration_ns)
    assert blocks[Measured.RESOLVE, "", True].duration_ns


def test_in_plaintext_and_by_address_there_are_only_connects() -> None:
    async def work() -> Result:
        async with peer(silent) as port:
            wanted = PathLatencyPlan(samples=5, warm_up=0, rate_per_s=100)
            return await probe(plan(port, stages=STAGES[:2], path_latency=wanted))

    result = run(work())
    facts = facts_of(result, "127.0.0.1")
    assert (facts.connect.samples, facts.handshake, facts.resolve) == (5, None, None)
    assert result.samples == []


def test_what_does_not_connect_is_not_timed() -> None:
    result = run(probe(plan(closed_port(), stages=STAGES[:2], path_latency=PathLatencyPlan())))
    assert result.of(Stage.LATENCY) == []


class MadeUpTime(threading.Event):
    """A clock that goes on only while somebody sleeps, each thread's by itself: no stall of this machine is in it."""

    def __init__(self) -> None:
        super().__init__()
        self._main = threading.current_thread()
        self._main_ns = 0
        self._now_ns: dict[threading.Thread, int] = {}

    def monotonic_ns(self) -> int:
        thread = threading.current_thread()
        if thread is self._main:  # which has joined the others
            self._main_ns = max(self._now_ns.values(), default=0)
            return self._main_ns
        return self._now_ns.setdefault(thread, self._main_ns)

    def sleep(self, seconds: float) -> None:
        self._now_ns[threading.current_thread()] = self.monotonic_ns() + round(seconds * 1e9)

    def wait(self, timeout: float | None = None) -> bool:
        self.sleep(timeout or 0)
        return False


Connect = Callable[[Target], float]
"""How many seconds a connect to a target takes."""


def measuring(
    monkeypatch: pytest.MonkeyPatch, wanted: PathLatencyPlan, lasting: Connect, targets: Sequence[Target] = (TARGET,)
) -> PathLatency:
    clock = MadeUpTime()

    def connect(_sock: object, target: Target, _limit_ms: int) -> tuple[int, int]:
        began_ns = clock.monotonic_ns()
        clock.sleep(lasting(target))
        return began_ns, clock.monotonic_ns()

    monkeypatch.setattr(path_latency, "_connect", connect)
    monkeypatch.setattr(path_latency, "time", clock)
    made = PathLatency(wanted, targets, None, None, Limits(), clock)
    made.run()
    return made


def stalling_at(turn: int, stall_ns: int) -> Connect:
    turns = iter(range(1000))
    return lambda _: stall_ns / 1e9 if next(turns) == turn else 0.0001


def test_a_stall_is_counted_for_all_it_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stall_ns = 300_000_000
    wanted = PathLatencyPlan(samples=40, warm_up=0, rate_per_s=100)
    made = measuring(monkeypatch, wanted, stalling_at(5, stall_ns))
    facts = made.seen(TARGET).facts
    assert isinstance(facts, PathLatencyFacts)
    # Without correction one sample of forty is slow; with it, all that were due meanwhile: about thirty.
    assert facts.connect.p50_ns is not None
    assert facts.connect_scheduled.p50_ns is not None
    assert facts.connect.max_ns >= stall_ns
    assert facts.connect.p50_ns < stall_ns // 10
    assert facts.connect_scheduled.p50_ns > stall_ns // 10


def test_what_holds_up_the_warm_up_is_not_measured_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stall_ns = 300_000_000
    wanted = PathLatencyPlan(samples=40, warm_up=6, rate_per_s=100)
    made = measuring(monkeypatch, wanted, stalling_at(5, stall_ns))
    facts = made.seen(TARGET).facts
    assert isinstance(facts, PathLatencyFacts)
    assert facts.warm_up is not None
    assert facts.warm_up.max_ns >= stall_ns
    assert facts.connect_scheduled.samples == 40
    assert facts.connect_scheduled.max_ns < stall_ns // 2


def long_path(_: Target) -> float:
    return 0.03


@pytest.mark.parametrize(("warm_up", "late"), [(0, True), (3, False)])
def test_a_path_too_long_for_the_rate_is_measured_at_a_rate_it_keeps(
    monkeypatch: pytest.MonkeyPatch, warm_up: int, late: bool
) -> None:
    """Without a warm-up nothing is known of the path, and the plan's rate is kept: then each turn delays the next."""
    made = measuring(monkeypatch, PathLatencyPlan(samples=15, warm_up=warm_up, rate_per_s=200), long_path)
    facts = made.seen(TARGET).facts
    assert isinstance(facts, PathLatencyFacts)
    assert (facts.connect_scheduled.max_ns > 250_000_000) == late


def test_a_long_path_is_sampled_no_longer_than_the_plan_says(monkeypatch: pytest.MonkeyPatch) -> None:
    made = measuring(monkeypatch, PathLatencyPlan(samples=1000, warm_up=3, rate_per_s=200, max_ms=400), long_path)
    facts = made.seen(TARGET).facts
    assert isinstance(facts, PathLatencyFacts)
    # Turns of 30 ms are 37.5 ms apart.
    assert facts.connect.samples == 10


def test_a_stall_of_one_address_is_no_delay_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = msgspec.structs.replace(TARGET, address="127.0.0.2")

    wanted = PathLatencyPlan(samples=6, warm_up=0, rate_per_s=100)
    made = measuring(monkeypatch, wanted, lambda target: 0.2 if target == beside else 0.0001, [TARGET, beside])
    well = made.seen(TARGET).facts
    assert isinstance(well, PathLatencyFacts)
    assert well.connect_scheduled.max_ns < 150_000_000


def test_a_sample_that_fails_is_no_sample_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter(range(1000))

    def connect(_: Target) -> float:
        if next(turns) % 4 == 3:
            raise ConnectionRefusedError(111, "Connection refused")
        return 0.0001

    made = measuring(monkeypatch, PathLatencyPlan(samples=8, warm_up=4, rate_per_s=1000), connect)
    seen = made.seen(TARGET)
    assert isinstance(seen.facts, PathLatencyFacts)
    assert (seen.status, seen.reason, seen.facts.failed) == (Status.FAILED, Reason.TRANSPORT, 3)
    assert seen.detail == "3 of 12 samples failed: connect: [Errno 111] Connection refused"
    assert seen.facts.connect.samples == 6


def test_a_certificate_nobody_vouches_for_is_a_failed_sample(authority: Authority) -> None:
    async def work() -> Observation:
        async with peer(silent, context=authority.server("b-1")) as port:
            target = Target(role=Role.BROKER, name="b-1", address="127.0.0.1", port=port)
            wanted = PathLatencyPlan(samples=2, warm_up=0, rate_per_s=100)
            made = PathLatency(wanted, [target], trust(None), None, PATIENT, threading.Event())
            await in_thread(made.run, "latency")
            return made.seen(target)

    seen = run(work())
    assert seen.reason is Reason.TRANSPORT
    assert seen.detail.startswith("2 of 4 samples failed: handshake: TLS")


def test_a_handshake_without_an_answer_is_said_as_such() -> None:
    async def work() -> Observation:
        async with peer(silent) as port:
            target = Target(role=Role.BROKER, name="b-1", address="127.0.0.1", port=port)
            wanted = PathLatencyPlan(samples=2, warm_up=0, rate_per_s=100)
            limits = waiting(handshake_ms=50)
            made = PathLatency(wanted, [target], trust(None), None, limits, threading.Event())
            await in_thread(made.run, "latency")
            return made.seen(target)

    assert run(work()).detail == "2 of 4 samples failed: handshake: TLS: no answer within 50 ms"


def test_what_is_told_to_stop_stops() -> None:
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    PathLatency(PathLatencyPlan(samples=100, rate_per_s=1), [TARGET], None, None, Limits(), stop).run()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("cpu  10 1 5 70 3 1 1 9 0 0\ncpu0 1", HostTicks(total=100, idle=73, steal=9)),
        ("cpu  10 1 5", None),
        ("intr 1 2 3 4 5 6 7 8 9", None),
        ("cpu  a b c d e f g h", None),
        ("", None),
    ],
    ids=["a kernel of today", "one of long ago", "something else", "no numbers", "nothing"],
)
def test_processor_time_is_read(tmp_path: Path, text: str, ticks: HostTicks | None) -> None:
    stat = tmp_path / "stat"
    stat.write_text(text)
    assert HostTicks.read(stat) == ticks


def test_a_load_is_what_happened_between() -> None:
    before = HostTicks(total=100, idle=50, steal=0)
    load = before.until(HostTicks(total=200, idle=90, steal=10), [0, 2, 10])
    assert load.busy_share == pytest.approx(0.6)
    assert (load.steal_share, load.late_mean_ns, load.late_max_ns) == (0.1, 4, 10)
    assert before.until(before, []).late_max_ns == 0
