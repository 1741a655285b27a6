"""Every benchmark, on a lab of its own: verification against commands by hand, lab start, distance."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from lab.handle import Lab
from topology.expectation import expect
from topology.patterns import PATTERNS

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pattern", default="privatelink_multi_nlb", choices=sorted(PATTERNS))
    parser.add_argument("--client", default="b")
    parser.add_argument("--rounds", type=int, default=12, help="of the verification; the lab starts a quarter as often")
    chosen = parser.parse_args()
    topology = PATTERNS[chosen.pattern](None)
    view = expect(topology, chosen.client)
    brokers = [word for b in view.brokers for word in ("--broker", f"{b.broker_id}={b.name}:{b.port}")]
    bootstrap = [word for b in view.bootstrap for word in ("--bootstrap", f"{b.name}:{b.port}")]
    with Lab.start(topology) as lab:
        command = [sys.executable, str(HERE / "verify_vs_by_hand.py"), *brokers, *bootstrap]
        command += ["--prefix", shlex.join(lab.command_prefix(chosen.client)), "--rounds", str(chosen.rounds)]
        command += ["--ca-file", str(topology.client(chosen.client).ca_file)]
        verified = subprocess.run(command, check=False).returncode
    rounds = str(max(1, chosen.rounds // 4))
    started = subprocess.run([sys.executable, str(HERE / "lab_start.py"), "--rounds", rounds], check=False).returncode
    far = subprocess.run([sys.executable, str(HERE / "distance.py"), "--rounds", rounds], check=False).returncode
    raise SystemExit(verified or started or far)


if __name__ == "__main__":
    main()
