"""Transit Gateway against peering, on one cluster: two clients of one Region that take turns, as `compare` does it.

Client ``peered`` is in a VPC peered with the cluster VPC, ``by_gateway`` in one attached to its gateway. Each sample
is a fresh TCP connection, to every broker in turn. Once with the lab's distance (each link between VPCs is as long as
asked, and by a gateway there are two), once with none, where only the forwarding of one more router is left.
"""

from __future__ import annotations

import argparse

from brokerproof.comparison.pairs import compare_together
from brokerproof.comparison.series import Series
from brokerproof.comparison.statements import basis, sentence
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Measured
from brokerproof.running.rounds import RoundPart, Wanted, measure_in_rounds
from brokerproof.running.site import Site
from brokerproof.topology.models import RegionLink
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.patterns.options import REGION

CLIENTS = ("peered", "by_gateway")


def compared(lab: Lab, wanted: Wanted, what: str) -> None:
    """Let both take turns, and print what may be said."""
    taken: list[Series] = []

    def on_part(turn: RoundPart) -> None:
        if turn.trouble:
            raise SystemExit(f"round {turn.number}, {turn.client}: {turn.trouble}")
        taken.extend(turn.series)

    with Site(lab.topology, lab=lab, journal=None) as site:
        runs = [site.run(name, measure=False) for name in CLIENTS]
        measure_in_rounds(site, runs, wanted, run_id="benchmark", on_part=on_part)
    comparison = compare_together(taken, seed=wanted.seed, whats=(Measured.CONNECT,))
    for one in comparison.compared:
        print(f"{what}: {sentence(one, len(comparison.compared))}", flush=True)
    print(basis(comparison), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="turns of each client (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=40, help="connections a turn (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    wanted = Wanted(seed=chosen.seed, rounds=chosen.rounds, samples=chosen.samples)
    topology = PATTERNS["combination"].build()
    none = topology.lab.model_copy(update={"links": (RegionLink(regions=(REGION, REGION), one_way_delay_ms=0),)})
    with Lab.start(topology) as lab:
        link = topology.lab.link(REGION, REGION)
        compared(lab, wanted, f"links of {2 * link.one_way_delay_ms:g} ms RTT")
        lab.apply(topology.model_copy(update={"lab": none}))
        compared(lab, wanted, "links of no length")


if __name__ == "__main__":
    main()
