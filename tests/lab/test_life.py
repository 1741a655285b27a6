"""A lab's life: two at once, entering a client, changing it, and leaving nothing behind, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from brokerproof.lab.daemons.kafka_config import data_dir
from brokerproof.lab.errors import LabError
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.life.lab_socket import running_labs
from brokerproof.running.lab_pool import LabPool
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.lab.traces import MARK, traces

pytestmark = pytest.mark.lab

OWNER = """
import sys
from brokerproof.lab.life.handle import Lab
from brokerproof.topology.patterns import PATTERNS, PatternOptions

def progress(text):
    print(text, flush=True)

with Lab.start(PATTERNS["peering"].build(PatternOptions(brokers=1)), name=sys.argv[1], progress=progress) as lab:
    print("up", lab.pid, flush=True)
    if "raise" in sys.argv:
        raise RuntimeError("on purpose")
    sys.stdin.read()
"""


def small() -> Topology:
    return PATTERNS["in_vpc"].build(PatternOptions(brokers=1))


@pytest.fixture(autouse=True)
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKERPROOF_MARK", MARK)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Compare the machine before and after; the kernel may take a moment to end a PID namespace."""
    before = traces()
    yield
    deadline = time.monotonic() + 10
    while (left := traces() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


@pytest.mark.usefixtures("nothing_left")
def test_a_lab_that_is_being_built_can_be_ended_from_another_thread() -> None:
    begun = threading.Event()
    pool = LabPool(lambda _text: begun.set())

    def start() -> str:
        try:
            pool.lab(small())
        except LabError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(max_workers=1) as threads:
        starting = threads.submit(start)
        assert begun.wait(60)
        pool.kill()
        assert starting.result(timeout=30)
        assert threads.submit(start).result(timeout=30), "what is ended begins nothing more"


def owner(name: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, name, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def read_until(process: subprocess.Popen[str], start: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return line
    raise AssertionError(f"the owner never said {start!r}")


def finish(process: subprocess.Popen[str]) -> int:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    return process.wait(timeout=20)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("said", ["networks:", "distance:", "brokers: starting", "resolvers:", "up"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killing_the_owner_at_any_moment_leaves_nothing(said: str, number: signal.Signals) -> None:
    process = owner(f"killed-{os.getpid()}")
    read_until(process, said)
    process.send_signal(number)
    assert finish(process) != 0


@pytest.mark.usefixtures("nothing_left")
def test_an_exception_in_the_block_leaves_nothing() -> None:
    process = owner(f"raised-{os.getpid()}", "raise")
    read_until(process, "up")
    assert finish(process) == 1


@pytest.mark.usefixtures("nothing_left")
def test_killing_the_labs_first_process_ends_it_and_is_said() -> None:
    with Lab.start(small()) as lab:
        os.kill(lab.pid, signal.SIGKILL)
        with pytest.raises(LabError, match="ended"):
            lab.status()


@pytest.mark.usefixtures("nothing_left")
def test_the_trace_detector_can_fail() -> None:
    before = traces()
    with Lab.start(PATTERNS["peering"].build(PatternOptions(brokers=1))) as lab:
        seen = traces() - before
        carrier = lab.status()["distance"]["carrier"]
    assert any(t.startswith("process") for t in seen)
    assert carrier == "netem" or any("brokerproof.lab.network.relay" in t for t in seen)
    assert any(t.startswith("socket") for t in seen)


@pytest.mark.usefixtures("nothing_left")
def test_a_detached_lab_outlives_its_owner_until_it_is_stopped() -> None:
    name = f"detached-{os.getpid()}"
    lab = Lab.start(small(), name=name)
    lab.detach()
    lab.close()
    assert name in running_labs()
    again = Lab.attach(name)
    assert again.status()["brokers"] == {"demo-1": "running"}
    with pytest.raises(LabError, match="already running; choose another --name"):
        Lab.start(small(), name=name)
    again.stop()


@pytest.mark.usefixtures("nothing_left")
def test_two_labs_at_once_do_not_meet() -> None:
    """Same names, same addresses, different clusters."""
    with Lab.start(small()) as one, Lab.start(small()) as other:
        marks = []
        for lab in (one, other):
            done = subprocess.run(
                [*lab.command_prefix("cluster_vpc"), "sha256sum", "/run/brokerproof/tls/ca.pem"],
                capture_output=True,
                text=True,
                check=True,
            )
            marks.append(done.stdout)
            answer = subprocess.run(
                [*lab.command_prefix("cluster_vpc"), "dig", "+short", small().clusters[0].brokers[0].endpoint],
                capture_output=True,
                text=True,
                check=True,
            )
            assert answer.stdout.strip() == "10.0.0.10"
        assert marks[0] != marks[1]


@pytest.mark.usefixtures("nothing_left")
def test_without_root_it_is_the_same_lab() -> None:
    """In a user namespace without any capability outside it, as an ordinary user has."""
    script = (
        "import os; assert os.geteuid() != 0\n"
        "import subprocess\n"
        "from brokerproof.lab.life.handle import Lab\n"
        "from brokerproof.topology.patterns import PATTERNS, PatternOptions\n"
        "with Lab.start(PATTERNS['peering'].build(PatternOptions(brokers=1))) as lab:\n"
        "    command = [*lab.command_prefix('cluster_vpc'), 'cat', '/etc/resolv.conf']\n"
        "    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)\n"
    )
    prefix = [] if os.geteuid() else ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "nameserver 10.0.0.2" in done.stdout


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(PATTERNS["privatelink_single_nlb"].build(PatternOptions(brokers=1))) as built:
        yield built


def dig(lab: Lab, client: str, name: str) -> set[str]:
    done = subprocess.run(
        [*lab.command_prefix(client), "dig", "+short", name], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_client_has_its_vpcs_resolver_and_the_host_keeps_its_own(lab: Lab) -> None:
    before = Path("/etc/resolv.conf").read_text()
    name = lab.topology.clusters[0].brokers[0].endpoint
    assert dig(lab, "account_b", name) == {"10.1.0.150", "10.1.16.150", "10.1.32.150"}
    assert dig(lab, "overlapping", name) == {"10.0.0.150", "10.0.16.150", "10.0.32.150"}
    assert dig(lab, "cluster_vpc", name) == {"10.0.0.100", "10.0.16.100", "10.0.32.100"}
    assert Path("/etc/resolv.conf").read_text() == before


def test_an_idle_cluster_writes_no_metadata(lab: Lab) -> None:
    """By default it would every 500 ms, for every broker to fetch."""
    log = Path(f"/proc/{lab.pid}/root{data_dir('demo', 1)}/__cluster_metadata-0/00000000000000000000.log")
    deadline = time.monotonic() + 30  # what starts it may still make topics
    size, known_since = 0, time.monotonic()
    while time.monotonic() - known_since < 2:
        assert time.monotonic() < deadline
        if size != log.stat().st_size:
            size, known_since = log.stat().st_size, time.monotonic()
        time.sleep(0.05)
    assert size > 0


def test_a_change_of_records_takes_effect_without_a_broker_restart(lab: Lab) -> None:
    intended = lab.topology
    name = intended.clusters[0].brokers[0].endpoint
    before = lab.status()["brokers"]
    zones = tuple(z.model_copy(update={"vpc_ids": ()}) for z in intended.hosted_zones)
    began = time.monotonic()
    lab.apply(intended.model_copy(update={"hosted_zones": zones}))
    assert time.monotonic() - began < 2
    assert dig(lab, "account_b", name) == {"10.0.0.10"}
    lab.apply(intended)
    assert dig(lab, "account_b", name) == {"10.1.0.150", "10.1.16.150", "10.1.32.150"}
    assert lab.status()["brokers"] == before


def test_a_change_that_needs_a_new_lab_is_refused_and_changes_nothing(lab: Lab) -> None:
    other = PATTERNS["privatelink_single_nlb"].build(PatternOptions(brokers=1, kafka_version="3.9.1"))
    with pytest.raises(LabError, match=r"this lab runs Kafka 4\.1\.1; Kafka 3\.9\.1 needs a new lab"):
        lab.rebuild(other)
    assert lab.unknown == ""
    assert lab.topology == lab.intended != other
    assert lab.status()["brokers"] == {"demo-1": "running"}
    assert lab.command_prefix("account_b")


def test_an_unknown_client_and_an_unknown_lab_are_answered_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(LabError, match="has no client 'z'; it has: cluster_vpc, account_b, overlapping"):
        lab.command_prefix("z")
    with pytest.raises(LabError, match=f"no lab named 'nobody'; running: .*{lab.name}"):
        Lab.attach("nobody")


def test_what_is_missing_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"nsenter, which enters a client's VPC: neither on PATH"):
        Lab.start(small(), environ={**os.environ, "PATH": str(tmp_path)})
    with pytest.raises(LabError, match=r"brokerproof lab fetch"):
        Lab.start(small(), environ={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "KAFKA_HOME": ""})
    with pytest.raises(LabError, match="use lower-case letters"):
        Lab.start(small(), name="No Such Name")


def test_a_broker_that_cannot_start_shows_the_tail_of_its_log() -> None:
    topology = small()
    cluster = topology.clusters[0].model_copy(update={"server_properties": {"num.network.threads": "none"}})
    with pytest.raises(LabError, match=r"(?s)broker demo-1 ended .* while starting:.*num\.network\.threads"):
        Lab.start(topology.model_copy(update={"clusters": (cluster,)}))
