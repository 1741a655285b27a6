"""How often a comparison claims a difference: of two identical paths, and of two that are 1 ms apart, on a real lab.

Clients ``peered`` and ``twin`` are neighbours, peered with the cluster VPC; ``by_gateway`` comes by the Transit
Gateway, by one link more of 1 ms RTT. All three take turns, as ``brokerproof compare`` has them; each comparison is of
rounds of its own. What is right is "different" of the twins at most 5 times in 100, and of ``peered`` and
``by_gateway`` at least 95 times. How it is with samples drawn at random, more often, is tested in
tests/comparison/test_contrast.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Sequence

import msgspec

from brokerproof.comparison.pairs import compare_together
from brokerproof.comparison.series import Series
from brokerproof.comparison.values import LEAST_ROUNDS, Claim
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Measured
from brokerproof.running.planning import ClientRun
from brokerproof.running.rounds import RoundPart, Wanted, measure_in_rounds
from brokerproof.running.site import Site
from brokerproof.topology.models import RegionLink, Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.patterns.options import REGION

APART_MS = 1.0
IDENTICAL, APART = ("peered", "twin"), ("peered", "by_gateway")
MOST_FALSE, LEAST_TOLD = 0.05, 0.95


def topology_of() -> Topology:
    """The combination, with a second client beside ``peered`` and every link inside the Region 1 ms there and back."""
    topology = PATTERNS["combination"].build()
    beside = topology.client("peered")
    twin = beside.model_copy(update={"name": "twin", "private_ip_address": beside.private_ip_address + 1})
    link = RegionLink(regions=(REGION, REGION), one_way_delay_ms=APART_MS / 2)
    distances = topology.lab.model_copy(update={"links": (link,)})
    return topology.model_copy(update={"clients": (*topology.clients, twin), "lab": distances})


def without_tls(run: ClientRun) -> ClientRun:
    """Connects alone are compared; handshakes would only keep the processors busy."""
    return dataclasses.replace(run, plan=msgspec.structs.replace(run.plan, tls=None))


def is_different(taken: Sequence[Series], clients: tuple[str, str], seed: int) -> bool:
    """Whether a difference is claimed of these two."""
    both = [one for one in taken if one.whose.client in clients]
    found = compare_together(both, seed=seed, whats=(Measured.CONNECT,))
    return any(one.contrast.verdict in {Claim.MORE, Claim.LESS} for one in found.compared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="comparisons of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3600, help="begin none after that (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS + 2, help="of a comparison (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=20, help="connections a turn (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=200, help="connections a second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    false = told = times = failed = 0
    with Lab.start(topology_of()) as lab, Site(lab.topology, lab=lab, journal=None) as site:
        runs = [without_tls(site.run(name, measure=False)) for name in dict.fromkeys((*IDENTICAL, *APART))]
        began = time.monotonic()
        while times < chosen.times and time.monotonic() - began < chosen.seconds:
            turns: list[RoundPart] = []
            seed = chosen.seed + times
            wanted = Wanted(seed=seed, rounds=chosen.rounds, samples=chosen.samples, warm_up=2, rate_per_s=chosen.rate)
            measure_in_rounds(site, runs, wanted, run_id="benchmark", on_part=turns.append)
            times += 1
            # As `compare` has it: what failed does not count, and its round is of no one.
            failed += sum(bool(turn.trouble) for turn in turns)
            taken = [one for turn in turns if not turn.trouble for one in turn.series]
            false += is_different(taken, IDENTICAL, seed)
            told += is_different(taken, APART, seed)
            took_s = time.monotonic() - began
            progress = f"{times}: identical {false}, {APART_MS:g} ms apart {told} called different; {took_s:.0f} s"
            print(progress, file=sys.stderr, flush=True)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(
        f"{times} comparisons of {chosen.rounds} rounds of {chosen.samples} connections (load average {load}): "
        f"identical paths were called different {false} times ({MOST_FALSE:.0%} allowed), paths {APART_MS:g} ms apart "
        f"{told} times (at least {LEAST_TOLD:.0%}); {failed} turns failed and did not count"
    )
    raise SystemExit(not (false <= MOST_FALSE * times and told >= LEAST_TOLD * times))


if __name__ == "__main__":
    main()
