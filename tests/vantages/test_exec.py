"""What a vantage makes of far sides that behave, break, hang, flood and die."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from brokerproof.probes.outcome import Outcome
from brokerproof.probes.plan import Endpoint, Limits, Plan
from brokerproof.vantages.exec import ExecVantage, Patience, probe_command
from brokerproof.vantages.local import LocalVantage, this_probe
from brokerproof.vantages.tail import Tail
from tests.vantages import far_side

ROOT = Path(__file__).resolve().parents[2]
QUICK = Patience(first_line_ms=15_000, grace_ms=300, terminate_ms=2000)
NO_LOGIN = Patience(first_line_ms=3000, grace_ms=300, terminate_ms=2000)


ANSWERED = 5000
"""More brokers than any far side here answers for."""


def plan(plan_id: str = "plan-1", plan_ms: int = 30_000, endpoints: int = 1) -> Plan:
    return Plan(
        plan_id=plan_id,
        client="app",
        bootstrap=tuple(Endpoint(name=f"b-{n}.example", port=9094) for n in range(endpoints)),
        brokers=tuple(Endpoint(name=f"b-{n}.example", port=9094, broker_id=n) for n in range(ANSWERED)),
        limits=Limits(plan_ms=plan_ms),
    )


def prefix(behaviour: str, **environment: str) -> tuple[str, ...]:
    assert behaviour in far_side.BEHAVIOURS
    variables = {"PYTHONPATH": str(ROOT), **environment}
    assignments = [f"{key}={value}" for key, value in variables.items()]
    return ("env", *assignments, sys.executable, str(Path(far_side.__file__)), behaviour)


def far(behaviour: str, patience: Patience = QUICK, **environment: str) -> ExecVantage:
    return ExecVantage("app", prefix(behaviour, **environment), patience=patience)


def alive(pid: int | None) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool], within_s: float = 60.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def numbers(outcomes: tuple[Outcome, ...] | list[Outcome]) -> list[int]:
    return [outcome.started_ns for outcome in outcomes]


def test_a_whole_run_has_no_error_and_hands_on_each_outcome() -> None:
    heard: list[Outcome] = []
    with far("well_behaved") as vantage:
        run = vantage.run(plan(), heard.append)
    assert run.error == ""
    assert run.said == ""
    assert run.started is not None
    assert run.started.plan_id == "plan-1"
    assert run.closing is not None
    assert run.closing.outcomes == 3
    assert numbers(run.outcomes) == [0, 1, 2]
    assert tuple(heard) == run.outcomes


def test_one_process_serves_many_plans() -> None:
    with far("well_behaved") as vantage:
        assert not alive(vantage.pid)
        runs = [vantage.run(plan(f"plan-{n}")) for n in range(5)]
        pid = vantage.pid
    assert [run.error for run in runs] == [""] * 5
    assert {run.started.host for run in runs if run.started} == {str(pid)}
    assert pid is not None
    assert not alive(pid)


def test_a_refused_plan_is_an_error_and_the_process_stays() -> None:
    with far("refuses") as vantage:
        whole = vantage.run(plan())
        refused = vantage.run(plan("unwanted"))
        again = vantage.run(plan("plan-3"))
    assert "refused the plan: plan version 9; this probe understands 1" in refused.error
    assert refused.outcomes == ()
    assert again.error == ""
    assert whole.started is not None
    assert again.started is not None
    assert whole.started.host == again.started.host


class Bad(NamedTuple):
    """A far side's behaviour, and what the run must say of it."""

    behaviour: str
    error: str
    kept: list[int]
    said: str = ""
    begun: bool = True
    patience: Patience = QUICK
    plan_ms: int = 30_000


BAD = [
    Bad("dies_mid_run", r"exit status 3 after 2 outcomes, without a closing line: MemoryError", [0, 1], "Trace"),
    Bad("dies_in_mid_line", r"exit status 3 after 1 outcomes, without a closing line", [0], '{"type":"outcome"'),
    Bad("is_killed", r"was killed by SIGKILL after 0 outcomes", []),
    Bad(
        "dies_at_once",
        r"exit status 255 before the probe's first line: ssh: .* Connection refused",
        [],
        "ssh: connect to host client port 22: Connection refused",
        begun=False,
    ),
    Bad(
        "hangs_before_first_line",
        r"no first line of the probe within 3000 ms; it was told to end and was killed by SIGTERM: waiting for a",
        [],
        "waiting for a password",
        begun=False,
        patience=NO_LOGIN,
    ),
    Bad("never_reads", r"no first line of the probe within 3000 ms", [], begun=False, patience=NO_LOGIN),
    Bad(
        "hangs_mid_run",
        r"no closing line within 1500 ms of the plan and 300 ms more \(1 outcomes arrived\); .* SIGTERM",
        [0],
        plan_ms=1500,
    ),
    Bad(
        "cleans_up_when_told",
        r"\(1 outcomes arrived\); it was told to end and ended with exit status 0: topic removed",
        [0, 1],
        "topic removed",
        plan_ms=1500,
    ),
    Bad("ignores_sigterm", r"no closing line .* was killed by SIGKILL", [0], plan_ms=1500),
    Bad(
        "only_rubbish",
        r"no first line of the probe within 3000 ms",
        [],
        "bash: python: command not found\n\ufffd\ufffd\ufffd\ufffd[31m",
        begun=False,
        patience=NO_LOGIN,
    ),
    Bad(
        "rubbish_between",
        r"printed 2 lines that are not the probe's: 'DeprecationWarning: ssl.wrap_socket'",
        [0, 1, 2],
        "teleport",
    ),
    Bad("other_plan", r"answered for plan 'somebody-elses', asked for 'plan-1'", [], begun=False),
    Bad("miscounts", r"closing line counts 2 outcomes, 1 arrived", [0]),
    Bad("outcome_first", r"sent an outcome before its first line", [], begun=False),
    Bad("starts_twice", r"sent its first line twice", [0]),
    Bad("closes_stdout", r"closed its output but ran on after 1 outcomes, without a closing line", [0]),
    Bad("endless_line", r"printed more than 1 MiB without a line end", [0], "yyyy"),
    Bad("endless_lines", r"printed more than 64 MiB in one run", [], "yyy\ny", begun=False),
    Bad("leaves_a_child", r"exit status 7 before the probe's first line: child \d+", [], begun=False),
]


@pytest.mark.slow
@pytest.mark.parametrize("bad", BAD, ids=[bad.behaviour for bad in BAD])
def test_a_bad_far_side_is_an_error_and_loses_nothing_measured(bad: Bad) -> None:
    heard: list[Outcome] = []
    with far(bad.behaviour, bad.patience) as vantage:
        before = time.monotonic()
        run = vantage.run(plan(plan_ms=bad.plan_ms), heard.append)
        took_s = time.monotonic() - before
        pid = vantage.pid
    assert run.error.startswith("vantage app: ")
    assert re.search(bad.error, run.error), run.error
    assert numbers(run.outcomes) == bad.kept
    assert tuple(heard) == run.outcomes
    assert (run.started is not None) == bad.begun
    assert bad.said in run.said
    assert len(run.said) <= 4200
    assert "\n" not in run.error
    assert took_s < 25, "nobody waits for the 30 s of a plan"
    assert pid is None, "a far side that broke the protocol is not used again"


def test_what_the_command_left_behind_is_ended_with_it() -> None:
    with far("leaves_a_child") as vantage:
        run = vantage.run(plan())
    child = int(run.said.removeprefix("child "))
    assert not alive(child)


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["dies_mid_run", "hangs_mid_run", "rubbish_between", "dies_on_second_plan"])
def test_after_a_bad_run_the_next_one_starts_another_process(behaviour: str) -> None:
    with far(behaviour) as vantage:
        runs = [vantage.run(plan(f"plan-{n}", plan_ms=1500)) for n in range(3)]
    hosts = [run.started.host for run in runs if run.started]
    if behaviour == "dies_on_second_plan":
        assert [bool(run.error) for run in runs] == [False, True, False]
    else:
        assert all(run.error for run in runs)
    assert len(hosts) == len(set(hosts)) >= 2


@pytest.mark.parametrize("behaviour", ["dies_between_plans", "stale_lines", "late_stale_lines"])
def test_a_process_not_ready_for_a_plan_is_replaced_before_it_is_sent_one(behaviour: str) -> None:
    with far(behaviour) as vantage:
        first = vantage.run(plan("plan-1"))
        time.sleep(0.4)
        second = vantage.run(plan("plan-2"))
    assert (first.error, second.error) == ("", "")
    assert numbers(second.outcomes) == [0, 1, 2]
    assert first.started is not None
    assert second.started is not None
    assert first.started.host != second.started.host


def test_a_login_banner_is_kept_and_forgiven() -> None:
    with far("with_banner") as vantage:
        run = vantage.run(plan())
    assert run.error == ""
    assert run.said == "Last login: Mon\nWelcome to the client host"


def test_a_prefix_that_ends_before_its_probe_loses_nothing() -> None:
    with far("hands_over") as vantage:
        run = vantage.run(plan())
    assert run.error == ""
    assert numbers(run.outcomes) == [0, 1, 2]


def test_a_flood_on_stderr_neither_blocks_nor_grows() -> None:
    with far("floods_stderr") as vantage:
        run = vantage.run(plan())
    assert run.error == ""
    assert run.said.startswith("[...]")
    assert run.said.endswith("last words")
    assert len(run.said) <= 4200


def test_a_slow_listener_gets_every_outcome() -> None:
    heard: list[Outcome] = []

    def slowly(outcome: Outcome) -> None:
        if outcome.started_ns % 1000 == 0:
            time.sleep(0.05)
        heard.append(outcome)

    with far("many_outcomes") as vantage:
        run = vantage.run(plan(), slowly)
    assert run.error == ""
    assert numbers(heard) == list(range(5000))


def test_a_plan_larger_than_a_pipe_arrives_whole() -> None:
    big = plan(endpoints=60_000)
    with far("well_behaved") as vantage:
        assert vantage.run(big).error == ""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("no-such-command-here",), "cannot start 'no-such-command-here': No such file or directory"),
        (("/etc",), "cannot start '/etc': Permission denied"),
        (("a\0b",), "cannot start 'a\\x00b': embedded null byte"),
        (("sh", "-c", "echo no such pod >&2; exit 1"), "exit status 1 before the probe's first line: no such pod"),
        (("env", "no-such-command-here"), "ended with exit status 127 before the probe's first line: env: "),
    ],
)
def test_a_vantage_that_cannot_be_started_says_why(command: tuple[str, ...], words: str) -> None:
    with ExecVantage("app", command, patience=QUICK) as vantage:
        run = vantage.run(plan())
    assert words in run.error
    assert run.started is None
    assert run.closing is None


def test_an_exception_of_the_caller_passes_and_ends_the_probe() -> None:
    pids: list[int | None] = []

    def note_and_break(outcome: Outcome) -> None:
        pids.append(vantage.pid)
        raise KeyError("the caller's own")

    with far("hangs_mid_run") as vantage:
        with pytest.raises(KeyError, match="the caller's own"):
            vantage.run(plan(), note_and_break)
        assert vantage.pid is None
        (pid,) = pids
        assert pid is not None
        assert not alive(pid)


def test_a_closed_vantage_refuses_and_closes_twice() -> None:
    vantage = far("well_behaved")
    assert vantage.run(plan()).error == ""
    vantage.close()
    vantage.close()
    with pytest.raises(RuntimeError, match="vantage app is closed"):
        vantage.run(plan())


def test_closing_ends_a_process_that_ignores_everything_but_sigkill() -> None:
    script = "trap '' TERM; exec sleep 600"
    vantage = ExecVantage("app", ("sh", "-c", script), patience=NO_LOGIN)
    process = vantage._ready_process(Tail())
    vantage.close()
    assert not alive(process.pid)
    assert process.ending() == "was killed by SIGKILL"


OWNER = """
import sys
from tests.vantages.test_exec import far, plan
far("works_until_end_of_stdin", NOTE=sys.argv[1]).run(plan())
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    note = tmp_path / "note"
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(note)], cwd=ROOT)
    yield process, note
    process.kill()
    process.wait()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)


def test_nothing_is_left_when_the_owner_is_killed(owner: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, note = owner
    assert eventually(lambda: note.exists() and note.read_text() != "")
    pid = json.loads(note.read_text())["pid"]
    assert alive(pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert eventually(lambda: not alive(pid))
    assert json.loads(note.read_text())["ended"] is True


@pytest.mark.parametrize(
    ("command", "far_shell", "expected"),
    [
        ((), False, ("env", "A=b c", "py thon", "-m", "brokerproof.probes", "--serve")),
        (
            ("ip", "netns", "exec", "n"),
            False,
            ("ip", "netns", "exec", "n", "env", "A=b c", "py thon", "-m", "brokerproof.probes", "--serve"),
        ),
        (
            ("/usr/bin/ssh", "host", "--"),
            True,
            ("/usr/bin/ssh", "host", "--", "env", "'A=b c'", "'py thon'", "-m", "brokerproof.probes", "--serve"),
        ),
        (("ssh", "h"), False, ("ssh", "h", "env", "A=b c", "py thon", "-m", "brokerproof.probes", "--serve")),
        (("gcloud", "h"), True, ("gcloud", "h", "env", "'A=b c'", "'py thon'", "-m", "brokerproof.probes", "--serve")),
    ],
)
def test_words_are_quoted_only_for_a_shell_at_the_far_side(
    command: tuple[str, ...], far_shell: bool, expected: tuple[str, ...]
) -> None:
    assert probe_command(command, python="py thon", environment={"A": "b c"}, far_shell=far_shell) == expected


def test_words_survive_the_shell_that_ssh_puts_between(tmp_path: Path) -> None:
    """A stand-in for ssh(1): joins its words with spaces and hands them to a shell."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nshift 2\nexec sh -c "$*"\n')
    ssh.chmod(0o755)
    python = tmp_path / "a python; with $words"
    python.symlink_to("/bin/echo")
    vantage = ExecVantage(
        "app",
        (str(ssh), "host", "--"),
        python=str(python),
        environment={"A": "$HOME 'x'"},
        far_shell=True,
        patience=QUICK,
    )
    with vantage:
        run = vantage.run(plan())
    assert run.said == "-m brokerproof.probes --serve"
    assert "ended with exit status 0 before the probe's first line" in run.error


def test_the_local_vantage_is_this_interpreter_with_these_probes() -> None:
    vantage = LocalVantage("here")
    assert vantage.name == "here"
    assert vantage.command[0] == "env"
    assert vantage.command[-4:] == (sys.executable, "-m", "brokerproof.probes", "--serve")
    assert this_probe()["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)


def test_the_local_vantage_ignores_a_folder_of_that_name_where_a_person_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brokerproof" / "probes").mkdir(parents=True)
    (tmp_path / "brokerproof" / "__init__.py").touch()
    (tmp_path / "brokerproof" / "probes" / "__init__.py").touch()
    (tmp_path / "brokerproof" / "probes" / "plan.py").write_text("print('impostor')")
    monkeypatch.chdir(tmp_path)
    command = LocalVantage("here").command
    printed = subprocess.check_output([*command[:-2], "brokerproof.probes.plan"])
    assert printed == b""
