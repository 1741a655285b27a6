"""Every benchmark, on a lab of its own: verification against commands by hand, lab start, distance.

The verification is timed near by, inside a Region, and from another Region, 60 ms away and back.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from brokerproof.lab.daemons import kafka_dist
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternOptions

HERE = Path(__file__).parent
NEAR = ("privatelink_multi_nlb", "account_b")
FAR = (("privatelink_single_nlb", "remote_by_peering"), ("peering", "remote_by_peering"))
"""The most and the fewest addresses a client of three brokers has to look at."""
BY_TLS = PatternOptions()
BY_SCRAM = PatternOptions(authentication=AuthenticationScheme.SCRAM_SHA_512, kafka_version="3.9.1")
"""Kafka 4 refuses Debian's kcat: its librdkafka (2.0.2) repeats the nonce of SCRAM."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pattern", choices=sorted(PATTERNS), help="time the verification of this one, nothing else")
    parser.add_argument("--client", default="account_b", help="of that pattern (default: %(default)s)")
    parser.add_argument("--scram", action="store_true", help="of that pattern, with a client that logs in by SCRAM")
    parser.add_argument("--rounds", type=int, default=12, help="of the verification; the rest has a quarter as many")
    chosen = parser.parse_args()
    if chosen.pattern:
        options = BY_SCRAM if chosen.scram else BY_TLS
        raise SystemExit(verification(chosen.pattern, chosen.client, chosen.rounds, options))
    codes = [verification(*each, chosen.rounds) for each in (NEAR, *FAR)]
    codes.append(verification(*NEAR, chosen.rounds, BY_SCRAM))
    rounds = str(max(1, chosen.rounds // 4))
    others = ([sys.executable, str(HERE / script), "--rounds", rounds] for script in ("lab_start.py", "distance.py"))
    codes += [subprocess.run(other, check=False).returncode for other in others]
    raise SystemExit(int(any(codes)))


def verification(pattern: str, client: str, rounds: int, options: PatternOptions = BY_TLS) -> int:
    """The exit status of the comparison, on a lab of its own."""
    topology = PATTERNS[pattern].build(options)
    view = expect(topology, client)
    scheme = options.authentication
    by = "" if scheme is AuthenticationScheme.NONE else f", by {scheme}, Kafka {options.kafka_version}"
    print(f"verification by client {client} of {pattern}{by}", flush=True)
    if scheme is not AuthenticationScheme.NONE:
        kafka_dist.fetch(options.kafka_version, print, environ=os.environ)
    brokers = [word for b in view.brokers for word in ("--broker", f"{b.broker_id}={b.name}:{b.port}")]
    bootstrap = [word for b in view.bootstrap for word in ("--bootstrap", f"{b.name}:{b.port}")]
    with Lab.start(topology) as lab:
        command = [sys.executable, str(HERE / "verify_vs_by_hand.py"), *brokers, *bootstrap]
        command += ["--prefix", shlex.join(lab.command_prefix(client)), "--rounds", str(rounds)]
        command += ["--ca-file", str(topology.client(client).ca_file)]
        held = topology.client(client).credentials
        if held.username and held.password:
            for option, reference in (("--username-file", held.username), ("--password-file", held.password)):
                command += [option, reference.removeprefix("file:")]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    main()
