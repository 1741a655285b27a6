"""Many brokers: a cluster of --brokers behind one NLB, and behind an NLB each; what it takes to build and to verify.

Memory is the proportional set size (smaps_rollup) of every process of the lab.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from benchmarks.processes import below
from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.life.handle import Lab
from brokerproof.running.planning import conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternName, PatternOptions


def memory_mb(lab: Lab) -> float:
    """Of the lab's first process and everything below it."""
    total_kb = 0
    for pid in below(lab.pid):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total_kb += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total_kb / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", type=int, default=15)
    parser.add_argument("--client", default="account_b")
    chosen = parser.parse_args()
    red = 0
    for pattern in (PatternName.PRIVATELINK_SINGLE_NLB, PatternName.PRIVATELINK_MULTI_NLB):
        topology = PATTERNS[pattern].build(PatternOptions(brokers=chosen.brokers))
        view = expect(topology, chosen.client)
        began = time.monotonic()
        with Lab.start(topology) as lab:
            up_s = time.monotonic() - began
            plan = make_plan(view, topology.client(chosen.client), measure=False)
            with lab_vantage(lab, chosen.client) as vantage:
                began = time.monotonic()
                run = conclude(view, plan, vantage.run(plan))
                verified_s = time.monotonic() - began
            said = dict(Counter(check.verdict.value for check in run.checks))
            balancers = len(topology.load_balancers)
            print(
                f"{pattern}: {chosen.brokers} brokers, {balancers} load balancer{'s' if balancers > 1 else ''}: "
                f"up in {up_s:.1f} s, client {chosen.client} verified in {verified_s:.1f} s {said}, "
                f"{memory_mb(lab):.0f} MB",
                flush=True,
            )
            for check in run.checks:
                if check.verdict is not Verdict.PASSED:
                    red += 1
                    print(f"  {check.verdict.value} {check.check_id}: {check.observed}; expected {check.expected}")
    raise SystemExit(1 if red else 0)


if __name__ == "__main__":
    main()
