"""Every benchmark, on a lab of its own: verification against commands by hand, lab start, distance.

The verification is timed near by, inside a Region, and from another Region, 60 ms away and back.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from brokerproof.lab.life.handle import Lab
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS

HERE = Path(__file__).parent
NEAR = ("privatelink_multi_nlb", "account_b")
FAR = (("privatelink_single_nlb", "remote_by_peering"), ("peering", "remote_by_peering"))
"""The most and the fewest addresses a client of three brokers has to look at."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pattern", choices=sorted(PATTERNS), help="time the verification of this one, nothing else")
    parser.add_argument("--client", default="account_b", help="of that pattern (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="of the verification; the rest has a quarter as many")
    chosen = parser.parse_args()
    if chosen.pattern:
        raise SystemExit(verification(chosen.pattern, chosen.client, chosen.rounds))
    codes = [verification(*each, chosen.rounds) for each in (NEAR, *FAR)]
    rounds = str(max(1, chosen.rounds // 4))
    others = ([sys.executable, str(HERE / script), "--rounds", rounds] for script in ("lab_start.py", "distance.py"))
    codes += [subprocess.run(other, check=False).returncode for other in others]
    raise SystemExit(int(any(codes)))


def verification(pattern: str, client: str, rounds: int) -> int:
    """The exit status of the comparison, on a lab of its own."""
    topology = PATTERNS[pattern].build()
    view = expect(topology, client)
    print(f"verification by client {client} of {pattern}", flush=True)
    brokers = [word for b in view.brokers for word in ("--broker", f"{b.broker_id}={b.name}:{b.port}")]
    bootstrap = [word for b in view.bootstrap for word in ("--bootstrap", f"{b.name}:{b.port}")]
    with Lab.start(topology) as lab:
        command = [sys.executable, str(HERE / "verify_vs_by_hand.py"), *brokers, *bootstrap]
        command += ["--prefix", shlex.join(lab.command_prefix(client)), "--rounds", str(rounds)]
        command += ["--ca-file", str(topology.client(client).ca_file)]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    main()
