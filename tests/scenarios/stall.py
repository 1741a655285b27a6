"""A broker that stands still for moments while a client measures the latency of records."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from typing import Final

import msgspec

from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import LatencyFacts, Line, Outcome, Role, Stage, Status
from brokerproof.probes.plan import LatencyPlan
from brokerproof.running.planning import make_plan
from brokerproof.running.rounds import RECORDS
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect

STALL_MS: Final = 200
BETWEEN_MS: Final = 50
BURSTS: Final = 4
"""One second, of which the broker stands still four fifths."""
LATENCY: Final = LatencyPlan(samples=3000, warm_up=150, rate_per_s=300)
"""A thousand a broker of three, so that each one's p99 can be said; 10 s."""
BEFORE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What the client saw of each broker, and of all."""

    brokers: dict[int, LatencyFacts]
    overall: LatencyFacts


def stalled(lab: Lab, client: str, broker_id: int | None, latency: LatencyPlan = LATENCY) -> Measured:
    """Measure, and meanwhile stop and continue the broker's process, in bursts for a second; None: leave all alone.

    Raises:
        RuntimeError: a measurement did not come to its end.
    """
    plan = make_plan(expect(lab.topology, client), lab.topology.client(client), measure=True)
    plan = msgspec.structs.replace(
        plan,
        stages=(*RECORDS, Stage.LATENCY),
        path_latency=None,
        latency=latency,
        throughput=None,
        raw_samples=False,
        forbidden=(),
        other_names=(),
    )
    began = threading.Event()
    ended = threading.Event()

    def seen(line: Line) -> None:
        if isinstance(line, Outcome) and line.stage is Stage.PRODUCE:
            began.set()

    def stall() -> None:
        if broker_id is None or not began.wait(30) or ended.wait(BEFORE_S):
            return
        pid = lab.status()["broker_pids"][f"{lab.topology.clusters[0].cluster_name}-{broker_id}"]
        once = f"kill -STOP {pid}; sleep {STALL_MS / 1000}; kill -CONT {pid}; sleep {BETWEEN_MS / 1000}; "
        # In one shell of the lab's, so that nothing of this process is between a stop and its end.
        subprocess.run([*lab.command_prefix(client), "sh", "-c", once * BURSTS], check=True)

    stalling = threading.Thread(target=stall)
    stalling.start()
    try:
        with lab_vantage(lab, client) as vantage:
            run = vantage.run(plan, seen)
    finally:
        ended.set()
        stalling.join()
    facts: dict[int | None, LatencyFacts] = {}
    for outcome in run.outcomes:
        if outcome.stage is Stage.LATENCY:
            if outcome.status is not Status.OK or not isinstance(outcome.facts, LatencyFacts):
                raise RuntimeError(f"latency of {outcome.target}: {outcome.reason} {outcome.detail}")
            facts[outcome.target.broker_id if outcome.target.role is Role.BROKER else None] = outcome.facts
    if None not in facts:
        raise RuntimeError(f"latency was not measured: {run.error or run.outcomes[-1]}")
    return Measured({key: each for key, each in facts.items() if key is not None}, facts[None])
