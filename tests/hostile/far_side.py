"""A far side that means harm: the lines of a run, made wrong by a seed. Run by path, with the seed as its argument."""

from __future__ import annotations

import os
import signal
import sys
import time
from random import Random

from brokerproof.probes.outcome import Closing, Outcome, Reason, Role, Stage, Started, Status, Target, encode_line
from brokerproof.probes.plan import decode_plan
from tests.hostile.mutations import mutated

FOR_EVER_S = 60


def main(seed: int) -> None:
    rng = Random(seed)
    out = sys.stdout.buffer
    plan = decode_plan(sys.stdin.buffer.readline())
    end = rng.choice(("as it should", "as it should", "floods", "endless line", "hangs", "dies"))
    if rng.random() < 0.3:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    name = plan.brokers[0].name
    target = Target(role=Role.BROKER, name=name)
    lines = [
        encode_line(Started(plan_id=plan.plan_id, client=plan.client, probe_version="0", host="h", python="3")),
        encode_line(Outcome(stage=Stage.RESOLVE, target=target, status=Status.OK, started_ns=1, duration_ns=1)),
        encode_line(
            Outcome(
                stage=Stage.CONNECT,
                target=Target(role=Role.BROKER, name=name, address="127.0.0.1", port=9, broker_id=1),
                status=Status.FAILED,
                reason=Reason.REFUSED,
                detail="\x1b[31mrefused\u202e " + "x" * rng.choice((1, 5000)),
                started_ns=2,
                duration_ns=2,
            )
        ),
        encode_line(Closing(plan_id=plan.plan_id, outcomes=2, complete=True, duration_ns=10)),
    ]
    for line in lines[: None if end == "as it should" else 3]:
        said = mutated(rng, line[:-1]) + b"\n" if rng.random() < 0.4 else line
        for _ in range(rng.choice((1, 1, 1, 2))):
            out.write(said)
    out.flush()
    match end:
        case "floods":
            begin = time.monotonic()
            while time.monotonic() < begin + FOR_EVER_S:
                os.write(1, rng.choice((b"y\n", b"{}\n", b"\xff\n")) * 20_000)
        case "endless line":
            while True:
                os.write(1, b"x" * 65536)
        case "hangs":
            time.sleep(FOR_EVER_S)
        case _:
            pass


main(int(sys.argv[1]))
