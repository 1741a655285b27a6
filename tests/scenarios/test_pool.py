"""Sessions that share a lab: changed where the brokers stay, ended with the session whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.lab.errors import LabError
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.life.lab_socket import running_labs
from brokerproof.reports.document import decode_document
from brokerproof.running.lab_pool import LabPool, brokers_of
from brokerproof.topology.edit import with_broker
from brokerproof.topology.models import BrokerState, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.lab.traces import MARK, traces

ROOT = Path(__file__).parents[2]
ONE_TEST = ["-q", "-p", "no:cacheprovider", "-k", "test_metadata_is_of_one_cluster and TestClient"]


def pattern(name: str) -> Topology:
    return PATTERNS[name].build(PatternOptions(brokers=1))


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pytest", *ONE_TEST, *map(str, arguments)]


def run_pytest(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, env=os.environ
    )


def test_what_a_lab_cannot_take_over() -> None:
    one = brokers_of(PATTERNS["in_vpc"].build())
    for same in ("peering", "transit_gateway", "privatelink_multi_nlb"):
        assert brokers_of(PATTERNS[same].build()) == one
    for other in (
        PATTERNS["privatelink_single_nlb"].build(),
        PATTERNS["in_vpc"].build(PatternOptions(kafka_version="3.9.1")),
        PATTERNS["in_vpc"].build(PatternOptions(brokers=2)),
        FAULTS["certificate-expired"].edit(PATTERNS["in_vpc"].build()),
        FAULTS["broker-stopped"].edit(PATTERNS["in_vpc"].build()),
    ):
        assert brokers_of(other) != one


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def pool(said: list[str]) -> Iterator[LabPool]:
    made = LabPool(said.append)
    yield made
    made.close()


@pytest.mark.lab
def test_the_pool_changes_its_lab_or_makes_another(pool: LabPool, said: list[str]) -> None:
    first = pool.lab(pattern("in_vpc"))
    assert pool.lab(pattern("in_vpc")) is first
    assert [line for line in said if "changed" in line] == []
    assert pool.lab(pattern("peering")) is first
    assert re.fullmatch(r"lab: changed to peering in \d\.\d s", said[-1])
    # What a test did to the lab and left there.
    first.apply(with_broker(first.topology, 1, state=BrokerState.STOPPED))
    second = pool.lab(pattern("peering"))
    assert second is not first
    assert first.name not in running_labs()
    # A broker that died by itself.
    subprocess.run(
        [*second.command_prefix("peered"), "kill", "-9", str(second.status()["broker_pids"]["demo-1"])], check=True
    )
    while second.status()["brokers"] == {"demo-1": "running"}:
        time.sleep(0.05)
    third = pool.lab(pattern("peering"))
    assert third is not second
    assert "lab: demo-1 ended by itself; starting another" in said
    # A lab that died.
    os.kill(third.pid, signal.SIGKILL)
    fourth = pool.lab(pattern("peering"))
    assert fourth.status()["brokers"] == {"demo-1": "running"}
    pool.close()
    assert fourth.name not in running_labs()


@pytest.mark.lab
def test_after_a_change_that_fails_the_next_lab_is_new(
    pool: LabPool, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pool.lab(pattern("in_vpc"))

    def fails(lab: Lab, topology: Topology, progress: object = None) -> None:
        raise LabError(f"cannot become {topology.name}")

    with monkeypatch.context() as patched:
        patched.setattr(Lab, "rebuild", fails)
        with pytest.raises(LabError, match="cannot become peering"):
            pool.lab(pattern("peering"))
    assert first.name not in running_labs()
    assert pool.lab(pattern("peering")).topology == pattern("peering")


@pytest.mark.lab
def test_a_session_of_two_patterns_starts_brokers_once(tmp_path: Path) -> None:
    done = run_pytest("scenarios/test_in_vpc.py", "scenarios/test_peering.py", "--run-dir", tmp_path / "run")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("brokers: starting") == 1
    assert re.search(r"lab: changed to peering in \d+\.\d s", done.stdout)
    document = decode_document((tmp_path / "run" / "result.json").read_bytes())
    assert {c.name for c in document.clients} == {"in_vpc.cluster_vpc", "peering.peered", "peering.remote_by_peering"}


def started() -> set[str]:
    """Processes of the sessions that these tests started, and of their labs."""
    return {trace for trace in traces() if trace.startswith("process")}


def labs_started() -> set[str]:
    return {trace for trace in started() if "brokerproof.lab.life.supervisor" in trace}


@pytest.fixture(autouse=True)
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKERPROOF_MARK", MARK)


@pytest.mark.lab
@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_ends_the_lab(tmp_path: Path, workers: int) -> None:
    """While it starts; as a terminal does it, to the whole foreground group."""
    process = subprocess.Popen(
        command("-n", str(workers), "scenarios/test_in_vpc.py", "scenarios/test_peering.py", "--run-dir", tmp_path),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not labs_started():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    deadline = time.monotonic() + 10
    while left := started():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
