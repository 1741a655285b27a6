"""One parser under atheris: inputs that reach code which none before has reached are kept and changed further.

    python -m tests.hostile.guided topology_yaml --seed 1 --seconds 60 --found FOLDER --inputs ANOTHER

``--inputs`` is a folder to work in, which the caller removes: libFuzzer ends the process without another word.
Exit code 0: nothing was found. Anything else: an input that fails stands in the folder, named by its digest.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

WATCHED = {
    "dns_answers": ["dns", "brokerproof.probes.wire"],
    "kafka_frames": ["brokerproof.probes.wire"],
    "certificates": ["brokerproof.probes.wire", "brokerproof.probes.outcome"],
    "vantage_lines": ["brokerproof.vantages", "brokerproof.probes.outcome"],
    "topology_yaml": ["ruamel", "brokerproof.topology"],
    "intent_yaml": ["ruamel", "brokerproof.topology", "brokerproof.aws.intent"],
    "aws_answers": ["brokerproof.aws.discovery", "brokerproof.aws.audit"],
}
"""Whose branches guide: what reads. Watching all that is imported takes a minute by itself."""
EACH_S = 20
"""One input that takes longer is a finding of its own."""
MEMORY_MB = 2000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parser")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--found", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    asked = parser.parse_args()
    with atheris.instrument_imports(include=WATCHED[asked.parser], enable_loader_override=False):
        from tests.hostile.parsers import PARSERS, kept  # noqa: PLC0415  watched from their import on
    chosen = PARSERS[asked.parser]
    asked.found.mkdir(parents=True, exist_ok=True)
    for number, example in enumerate([*chosen.examples(), *kept(asked.parser)]):
        (asked.inputs / str(number)).write_bytes(example)
    atheris.Setup(
        [
            sys.argv[0],
            f"-seed={asked.seed}",
            f"-max_total_time={asked.seconds}",
            f"-max_len={chosen.most_bytes}",
            f"-timeout={EACH_S}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-artifact_prefix={asked.found}/",
            "-print_final_stats=1",
            "-verbosity=0",
            str(asked.inputs),
        ],
        chosen.read,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
