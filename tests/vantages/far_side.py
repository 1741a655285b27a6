"""A stand-in for the probe at the far side of a vantage: keeps to the line protocol, or breaks it.

Run by path with the name of a behaviour; what follows (``python -m brokerproof.probes --serve``, put there by
the vantage) is ignored. Uses the contract's own encoder, so it cannot drift from it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from brokerproof.probes.outcome import (
    Closing,
    Line,
    Outcome,
    Reason,
    Refused,
    Role,
    Stage,
    Started,
    Status,
    Target,
    encode_line,
)
from brokerproof.probes.plan import Plan, decode_plan

FOR_EVER_S = 600


def put(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def say(line: Line) -> None:
    put(encode_line(line))


def complain(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def plans() -> Iterator[Plan]:
    for line in sys.stdin.buffer:
        yield decode_plan(line)


def started(plan: Plan) -> Started:
    return Started(plan_id=plan.plan_id, client=plan.client, probe_version="0", host=str(os.getpid()), python="3")


def outcome(number: int) -> Outcome:
    return Outcome(
        stage=Stage.CONNECT,
        target=Target(role=Role.BROKER, name=f"b-{number}.example", address="127.0.0.1", port=9094),
        status=Status.FAILED,
        reason=Reason.REFUSED,
        started_ns=number,
        duration_ns=1,
    )


def closing(plan: Plan, outcomes: int) -> Closing:
    return Closing(plan_id=plan.plan_id, outcomes=outcomes, complete=True, duration_ns=1)


def answer(plan: Plan, outcomes: int = 3) -> None:
    say(started(plan))
    for number in range(outcomes):
        say(outcome(number))
    say(closing(plan, outcomes))


def well_behaved() -> None:
    for plan in plans():
        answer(plan)


def with_banner() -> None:
    put(b"Last login: Mon\r\nWelcome to the client host\r\n")
    well_behaved()


def refuses() -> None:
    for plan in plans():
        if plan.plan_id == "unwanted":
            say(Refused(why="plan version 9; this probe understands 1"))
        else:
            answer(plan)


def dies_mid_run() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        say(outcome(1))
        complain("Traceback (most recent call last):\nMemoryError\n")
        os._exit(3)


def dies_in_mid_line() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        put(encode_line(outcome(1))[:40])
        os._exit(3)


def is_killed() -> None:
    for plan in plans():
        say(started(plan))
        os.kill(os.getpid(), signal.SIGKILL)


def dies_at_once() -> None:
    complain("ssh: connect to host client port 22: Connection refused\n")
    os._exit(255)


def dies_on_second_plan() -> None:
    for number, plan in enumerate(plans()):
        if number:
            os._exit(4)
        answer(plan)


def dies_between_plans() -> None:
    for plan in plans():
        answer(plan)
        os._exit(0)


def hangs_before_first_line() -> None:
    complain("waiting for a password\n")
    time.sleep(FOR_EVER_S)


def hangs_mid_run() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        time.sleep(FOR_EVER_S)


def cleans_up_when_told() -> None:
    def on_term(*_: object) -> None:
        # What the probe does on SIGTERM: remove its topic, say what it has, close.
        time.sleep(0.1)
        say(outcome(1))
        complain("topic removed\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, on_term)
    hangs_mid_run()


def ignores_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hangs_mid_run()


def never_reads() -> None:
    time.sleep(FOR_EVER_S)


def only_rubbish() -> None:
    for _ in plans():
        put(b"bash: python: command not found\n\xff\xfe\x00\x1b[31m\n")


def rubbish_between() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        put(b"DeprecationWarning: ssl.wrap_socket\n")
        say(outcome(1))
        put(b'{"type":"outcome","stage":"teleport"}\n')
        say(outcome(2))
        say(closing(plan, 3))


def stale_lines() -> None:
    for plan in plans():
        answer(plan)
        say(outcome(99))


def late_stale_lines() -> None:
    for plan in plans():
        answer(plan)
        time.sleep(0.2)
        say(outcome(99))


def other_plan() -> None:
    for plan in plans():
        say(Started(plan_id="somebody-elses", client=plan.client, probe_version="0", host="far", python="3"))
        say(outcome(0))
        time.sleep(FOR_EVER_S)


def miscounts() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        say(closing(plan, 2))


def outcome_first() -> None:
    for plan in plans():
        say(outcome(0))
        answer(plan)


def starts_twice() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        say(started(plan))
        time.sleep(FOR_EVER_S)


def closes_stdout() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        sys.stdout.flush()
        os.close(1)
        time.sleep(FOR_EVER_S)


def floods_stderr() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        for number in range(4000):
            complain(f"{number:08d} " + "x" * 1000 + "\n")
        complain("last words\n")
        say(closing(plan, 1))


def endless_line() -> None:
    for plan in plans():
        say(started(plan))
        say(outcome(0))
        while True:
            put(b"y" * 65536)


def endless_lines() -> None:
    for _ in plans():
        while True:
            put((b"y" * 999 + b"\n") * 64)


def many_outcomes() -> None:
    for plan in plans():
        answer(plan, outcomes=5000)


def leaves_a_child() -> None:
    """The prefix exits at once and something it started holds the pipes open."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOR_EVER_S})"])
    complain(f"child {child.pid}\n")
    os._exit(7)


def hands_over() -> None:
    """The prefix starts the real thing and exits before it has answered."""
    for plan in plans():
        if os.fork():
            os._exit(0)
        time.sleep(0.5)
        answer(plan)
        os._exit(0)


def works_until_end_of_stdin() -> None:
    """Amid a plan for ever; ends, as the probe does, when its stdin does. Leaves a note of both."""
    note = Path(os.environ["NOTE"])
    line = sys.stdin.buffer.readline()
    say(started(decode_plan(line)))
    note.write_text(json.dumps({"pid": os.getpid(), "ended": False}))
    sys.stdin.buffer.read()
    note.write_text(json.dumps({"pid": os.getpid(), "ended": True}))


BEHAVIOURS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        well_behaved,
        with_banner,
        refuses,
        dies_mid_run,
        dies_in_mid_line,
        is_killed,
        dies_at_once,
        dies_on_second_plan,
        dies_between_plans,
        hangs_before_first_line,
        hangs_mid_run,
        cleans_up_when_told,
        ignores_sigterm,
        never_reads,
        only_rubbish,
        rubbish_between,
        stale_lines,
        late_stale_lines,
        other_plan,
        miscounts,
        outcome_first,
        starts_twice,
        closes_stdout,
        floods_stderr,
        endless_line,
        endless_lines,
        many_outcomes,
        leaves_a_child,
        hands_over,
        works_until_end_of_stdin,
    )
}

if __name__ == "__main__":
    BEHAVIOURS[sys.argv[1]]()
