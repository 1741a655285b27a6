"""The real probe behind a vantage: whole runs, a reused process, and an end amid a plan."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.probes.outcome import Outcome, Reason, Role, Stage, Status
from brokerproof.probes.plan import Endpoint, ForbiddenConnect, Limits, Plan
from brokerproof.vantages.exec import ExecVantage
from brokerproof.vantages.local import LocalVantage, this_probe
from tests.vantages.test_exec import alive, eventually

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port that is ours and does not listen."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A loopback port that accepts and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def plan(port: int, plan_id: str = "real") -> Plan:
    return Plan(
        plan_id=plan_id,
        client="app",
        bootstrap=(Endpoint(name="127.0.0.1", port=port),),
        resolver=f"127.0.0.1:{port}",
        limits=Limits(plan_ms=20_000, handshake_ms=15_000, request_ms=15_000),
    )


def connects(outcomes: tuple[Outcome, ...]) -> list[tuple[Status, Reason | None]]:
    first = [outcome for outcome in outcomes if outcome.look == 1]
    return [(outcome.status, outcome.reason) for outcome in first if outcome.stage is Stage.CONNECT]


def test_a_closed_port_is_a_failure_of_the_path_and_none_of_the_vantage(closed_port: int) -> None:
    heard: list[Outcome] = []
    with LocalVantage("here") as vantage:
        runs = [vantage.run(plan(closed_port, f"real-{n}"), heard.append) for n in range(3)]
        pid = vantage.pid
        assert alive(pid)
    assert not alive(pid)
    for run in runs:
        assert run.error == ""
        assert run.closing is not None
        assert run.closing.complete
        assert connects(run.outcomes) == [(Status.FAILED, Reason.REFUSED)]
    assert len(heard) == sum(len(run.outcomes) for run in runs)


def test_a_plan_the_probe_refuses_is_an_error_and_the_probe_stays(closed_port: int) -> None:
    wrong = Plan(
        plan_id="wrong",
        client="app",
        bootstrap=(),
        forbidden=(ForbiddenConnect(address="not-an-address", port=9094, why="isolation"),),
    )
    with LocalVantage("here") as vantage:
        refused = vantage.run(wrong)
        pid = vantage.pid
        whole = vantage.run(plan(closed_port))
        assert vantage.pid == pid
    assert "vantage here: refused the plan: $.forbidden[0].address: 'not-an-address'" in refused.error
    assert whole.error == ""


def test_a_namespace_prefix_lands_where_loopback_is_down(closed_port: int) -> None:
    """Another network namespace, told from ours by its loopback interface, which starts down."""
    prefix = ("unshare", "--user", "--map-root-user", "--net")
    if subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")
    with ExecVantage("client", prefix, python=sys.executable, environment=this_probe()) as vantage:
        run = vantage.run(plan(closed_port))
    assert run.error == ""
    assert connects(run.outcomes) == [(Status.FAILED, Reason.NETWORK_UNREACHABLE)]


def test_a_probe_ends_when_its_owner_is_killed_amid_a_plan(silent_port: int) -> None:
    script = (
        "import sys\n"
        "from brokerproof.vantages.local import LocalVantage\n"
        "from tests.vantages.test_real_probe import plan\n"
        "vantage = LocalVantage('here')\n"
        "vantage.run(plan(int(sys.argv[1])), lambda _: print(vantage.pid, flush=True))\n"
    )
    command = [sys.executable, "-c", script, str(silent_port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        assert alive(pid)
        owner.kill()
    assert eventually(lambda: not alive(pid))


def test_an_exception_amid_a_plan_ends_the_real_probe_at_once(silent_port: int) -> None:
    pids: list[int | None] = []
    with LocalVantage("here") as vantage:

        def give_up(outcome: Outcome) -> None:
            assert outcome.target.role is Role.BOOTSTRAP
            pids.append(vantage.pid)
            raise KeyboardInterrupt

        before = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            vantage.run(plan(silent_port), give_up)
        assert time.monotonic() - before < 10
    assert len(pids) == 1
    assert not alive(pids[0])
