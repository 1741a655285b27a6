"""How true the measured latency is: connects over links of known length, and a broker that stands still for moments.

A client in us-west-2 and three brokers in us-east-1, peered. For each RTT given to the link, the probe's own
measurement of connects, and by how much its median differs from what the link was given: by the client's clock, which
also counts how long the client takes to wake up, and by the kernel's (TCP_INFO), which does not. The path itself, two
routers with their filters, has a length of its own too: the row ``plain`` shows it. Then one broker's process is
stopped for 200 ms, four times in a second, while records are timed.
"""

from __future__ import annotations

import argparse
import os

import msgspec

from benchmarks.distance import EAST, WEST, set_rtt
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network.distance import distance_text
from brokerproof.probes.outcome import Distribution, PathLatencyFacts, Stage
from brokerproof.probes.plan import PathLatencyPlan
from brokerproof.running.planning import make_plan
from brokerproof.running.rounds import PATH
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS
from tests.scenarios.stall import BETWEEN_MS, BURSTS, STALL_MS, Measured, stalled

RTTS_MS = (0.5, 5.0, 20.0, 60.0)
ALLOWED_MS = 0.2
CLIENT = "remote_by_peering"
STALLED = 2


def connects(lab: Lab, samples: int, rate_per_s: int) -> list[PathLatencyFacts]:
    """Of each address, by the probe's own measurement."""
    plan = make_plan(expect(lab.topology, CLIENT), lab.topology.client(CLIENT), measure=True)
    plan = msgspec.structs.replace(
        plan,
        stages=PATH,
        path_latency=PathLatencyPlan(samples=samples, warm_up=30, rate_per_s=rate_per_s, max_ms=30_000),
        latency=None,
        throughput=None,
        raw_samples=False,
        forbidden=(),
        other_names=(),
    )
    with lab_vantage(lab, CLIENT) as vantage:
        run = vantage.run(plan)
    found = [each.facts for each in run.outcomes if each.stage is Stage.LATENCY]
    facts = [each for each in found if isinstance(each, PathLatencyFacts) and not each.failed]
    if len(facts) != len(lab.topology.clusters[0].brokers):
        raise SystemExit(f"connects were not timed: {run.error or run.outcomes[-1]}")
    return facts


def spread(known: list[Distribution], rtt_ms: float) -> tuple[str, float]:
    """The medians of the addresses less the truth, in words, and the largest difference."""
    errors = [(each.p50_ns or 0) / 1e6 - rtt_ms for each in known]
    return f"{min(errors):+.3f} to {max(errors):+.3f}", max(map(abs, errors))


def accuracy(lab: Lab, samples: int, rate_per_s: int) -> bool:
    """Whether every median by the kernel's clock is near enough."""
    print(f"medians of {samples // 3} connects to each broker less the RTT given, in ms")
    print(f"given      {'client clock':20} {'kernel clock':20} host busy   kernel's within {ALLOWED_MS} ms")
    near = True
    for rtt_ms in (0.0, *RTTS_MS):
        set_rtt(lab, rtt_ms)
        facts = connects(lab, samples, rate_per_s)
        by_client, _ = spread([each.connect for each in facts], rtt_ms)
        by_kernel, worst = spread([each.kernel_rtt for each in facts if each.kernel_rtt is not None], rtt_ms)
        busy = max((each.host.busy_share for each in facts if each.host is not None), default=0.0)
        given = f"{rtt_ms:g} ms" if rtt_ms else "plain"
        near = near and worst <= ALLOWED_MS
        print(
            f"{given:10} {by_client:20} {by_kernel:20} {busy:9.0%}   {'yes' if worst <= ALLOWED_MS else 'NO'}",
            flush=True,
        )
    return near


def said(holds: bool) -> str:
    return "yes" if holds else "NO"


def stall(lab: Lab) -> bool:
    """Whether the stalls show in p99 and maximum of what was due meanwhile."""
    set_rtt(lab, RTTS_MS[0])
    print(f"\nbroker {STALLED} stopped for {STALL_MS} ms, {BURSTS} times, {BETWEEN_MS} ms apart; ms: p50, p99, max")
    undisturbed = told(lab, "nothing stopped", None)
    stopped = told(lab, "stopped", STALLED)
    return all(
        with_stall.max_ns >= STALL_MS * 0.97e6 and p99(with_stall) >= max(STALL_MS * 0.5e6, p99(without))
        for without, with_stall in zip(undisturbed, stopped, strict=True)
    )


def told(lab: Lab, title: str, broker_id: int | None) -> list[Distribution]:
    found = rows(stalled(lab, CLIENT, broker_id))
    for what, times in found:
        print(f"{title:16} {what:50} {figures(times)}", flush=True)
    return [times for _, times in found if times is not None]


def p99(times: Distribution) -> int:
    return times.p99_ns or 0


def rows(measured: Measured) -> list[tuple[str, Distribution | None]]:
    own, every = measured.brokers[STALLED], measured.overall
    return [
        (f"broker {STALLED}, produce ack, from when it was due", own.produce_ack_scheduled),
        (f"broker {STALLED}, end to end, from when it was due", own.end_to_end_scheduled),
        ("all brokers, produce ack, from when it was due", every.produce_ack_scheduled),
    ]


def figures(times: Distribution | None) -> str:
    if times is None or times.p50_ns is None or times.p99_ns is None:
        return "too few samples"
    return f"{times.p50_ns / 1e6:8.2f} {times.p99_ns / 1e6:8.2f} {times.max_ns / 1e6:8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=450, help="connects at each RTT (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=60, help="connects a second (default: %(default)s)")
    chosen = parser.parse_args()
    with Lab.start(PATTERNS["peering"].build()) as lab:
        load = " ".join(f"{one:.1f}" for one in os.getloadavg())
        print("by how much medians differ from the truth, and how stalls show\n")
        print(f"distance: {distance_text(lab.status()['distance'])}; {EAST} - {WEST}; load average {load}", flush=True)
        near = accuracy(lab, chosen.samples, chosen.rate)
        shows = stall(lab)
    print(f"\nmedians by the kernel's clock within {ALLOWED_MS} ms: {said(near)}; stalls show: {said(shows)}")
    raise SystemExit(not (near and shows))


if __name__ == "__main__":
    main()
