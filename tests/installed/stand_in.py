"""A stand-in for the probe: answers each plan as if every path of a target file worked, but for one broker.

Run by path: ``stand_in.py TARGET CLIENT=BROKER_ID opened|closed``, where the client does not get to the broker, and
what must not connect does or does not; what follows is ignored. ``brokerproof`` is whatever the interpreter has
installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for tests.*, after what is installed

import msgspec

from brokerproof.probes.outcome import Closing, Line, Outcome, Reason, Role, Stage, Started, Status, encode_line
from brokerproof.probes.plan import Plan, decode_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import dumps, load
from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.topology.models.client import ProbeMode
from brokerproof.topology.patterns import PATTERNS
from tests.diagnosis.perfect import bend, perfect

NOBODY = "nobody=0"


def write_target(path: Path, pattern: str, *, dead: str = NOBODY, opened: bool = False) -> Path:
    """A target file of a pattern whose clients are reached by this program; ``dead`` as on its command line.

    ``opened``: what must not connect does.
    """
    topology = PATTERNS[pattern].build()
    vantage = ClientVantage(
        kind=VantageKind.EXEC,
        probe=ProbeMode.PRESENT,
        command=(sys.executable, __file__, str(path), dead, "opened" if opened else "closed", "--"),
        python="python3",
    )
    clients = tuple(client.model_copy(update={"vantage": vantage}) for client in topology.clients)
    path.write_text(dumps(topology.model_copy(update={"clients": clients})), encoding="utf-8")
    return path


def main(target: str, dead: str, opened: str) -> None:
    topology = load(Path(target))
    client, _, broker_id = dead.partition("=")
    for line in sys.stdin.buffer:
        plan = decode_plan(line)
        asked = {*plan.stages, Stage.CONNECT}
        beside = {*((each.address, each.port) for each in plan.forbidden), *((name, 0) for name in plan.other_names)}
        outcomes = tuple(
            one
            for one in perfect(expect(topology, plan.client))
            if one.stage in asked and (one.target.role not in _BESIDE or _place(one) in beside)
        )
        if plan.client == client:
            outcomes = bend(
                outcomes,
                lambda one: one.stage is Stage.CONNECT and one.target.broker_id == int(broker_id),
                lambda one: msgspec.structs.replace(one, status=Status.FAILED, reason=Reason.TIMED_OUT),
            )
        if opened == "opened":
            outcomes = tuple(
                msgspec.structs.replace(one, status=Status.OK, reason=None)
                if one.target.role is Role.FORBIDDEN
                else one
                for one in outcomes
            )
        answer(plan, outcomes)


_BESIDE = {Role.FORBIDDEN, Role.OTHER}
"""What only a plan that proves isolation asks for."""


def _place(one: Outcome) -> tuple[str, int]:
    return one.target.address or one.target.name, one.target.port


def answer(plan: Plan, outcomes: tuple[Outcome, ...]) -> None:
    started = Started(plan_id=plan.plan_id, client=plan.client, probe_version="1", host="h", python="3")
    closing = Closing(plan_id=plan.plan_id, outcomes=len(outcomes), complete=True, duration_ns=10**9)
    lines: list[Line] = [started, *outcomes, closing]
    for line in lines:
        sys.stdout.buffer.write(encode_line(line))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
