"""A stand-in for the probe: answers each plan as if every path of a target file worked, but for one broker.

Run by path: ``stand_in.py TARGET CLIENT=BROKER_ID``, where the client does not get to the broker; what follows
is ignored. ``brokerproof`` is whatever the interpreter has installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for tests.*, after what is installed

import msgspec

from brokerproof.probes.outcome import Closing, Line, Outcome, Reason, Stage, Started, Status, encode_line
from brokerproof.probes.plan import Plan, decode_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import dumps, load
from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.topology.patterns import PATTERNS
from tests.diagnosis.perfect import bend, perfect

NOBODY = "nobody=0"


def write_target(path: Path, pattern: str, *, dead: str = NOBODY) -> Path:
    """A target file of a pattern whose clients are reached by this program; ``dead`` as on its command line."""
    topology = PATTERNS[pattern].build()
    vantage = ClientVantage(
        kind=VantageKind.EXEC, command=(sys.executable, __file__, str(path), dead, "--"), python="python3"
    )
    clients = tuple(client.model_copy(update={"vantage": vantage}) for client in topology.clients)
    path.write_text(dumps(topology.model_copy(update={"clients": clients})), encoding="utf-8")
    return path


def main(target: str, dead: str) -> None:
    topology = load(Path(target))
    client, _, broker_id = dead.partition("=")
    for line in sys.stdin.buffer:
        plan = decode_plan(line)
        asked = {*plan.stages, Stage.CONNECT}
        outcomes = tuple(one for one in perfect(expect(topology, plan.client)) if one.stage in asked)
        if plan.client == client:
            outcomes = bend(
                outcomes,
                lambda one: one.stage is Stage.CONNECT and one.target.broker_id == int(broker_id),
                lambda one: msgspec.structs.replace(one, status=Status.FAILED, reason=Reason.TIMED_OUT),
            )
        answer(plan, outcomes)


def answer(plan: Plan, outcomes: tuple[Outcome, ...]) -> None:
    started = Started(plan_id=plan.plan_id, client=plan.client, probe_version="1", host="h", python="3")
    closing = Closing(plan_id=plan.plan_id, outcomes=len(outcomes), complete=True, duration_ns=1)
    lines: list[Line] = [started, *outcomes, closing]
    for line in lines:
        sys.stdout.buffer.write(encode_line(line))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
