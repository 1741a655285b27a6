"""Whole runs with known secrets: none is in a file they write, a word they say, or any process's command line."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec
import pytest

from brokerproof.fleet.far.handler import Handler
from brokerproof.fleet.far.objects import ByRole
from brokerproof.fleet.far.values import Invocation, decode_result, result_key
from brokerproof.fleet.hub import MachineHub
from brokerproof.fleet.items import make_set, verification
from brokerproof.probes.outcome import Stage, Status
from brokerproof.topology.files import loads
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.local import LocalVantage
from tests.fleet.aws import BUCKET, MACHINE, FleetAws
from tests.fleet.probes import Context
from tests.loopback_kafka import LoginKafka, login_kafka

pytestmark = pytest.mark.lab

RUN_S = 600
LOOK_S = 0.02


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginKafka]:
    with login_kafka(tmp_path_factory.mktemp("secrets")) as started:
        yield started


def secrets_of(held: Path) -> tuple[bytes, ...]:
    """The password, AWS's secret key, and a line of the private key."""
    aws = (held / "aws").read_text()
    [secret_key] = [line.partition("=")[2].strip() for line in aws.splitlines() if "secret_access_key" in line]
    key_line = (held / "lab.key").read_text().splitlines()[1]
    password = (held / "lab.password").read_text().strip()
    return tuple(text.encode() for text in (password, secret_key, key_line))


class CommandLines:
    """All that any process of this host was started with, looked at again and again."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue


def options(kafka: LoginKafka, scheme: str) -> tuple[str, ...]:
    held = kafka.credentials
    match scheme:
        case "scram":
            return "--username", f"file:{held / 'lab.username'}", "--password", f"file:{held / 'lab.password'}"
        case "mtls":
            return "--certificate", f"file:{held / 'lab.pem'}", "--key", f"file:{held / 'lab.key'}"
        case _:
            return "--profile", "lab", "--credentials-file", str(held / "aws"), "--region-name", "us-east-1"


def brokerproof(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "brokerproof", *words]
    return subprocess.run(command, capture_output=True, timeout=RUN_S, check=False, cwd=folder)


def nothing_kept(secrets: tuple[bytes, ...], folder: Path, running: CommandLines, said: bytes) -> set[str]:
    """See that no secret was left anywhere.

    Returns:
        The names of the files that were looked through.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    for secret in secrets:
        assert secret not in said
        assert [str(path) for path in files if secret in path.read_bytes()] == []
        assert [line for line in running.seen if secret in line] == []
    return {path.name for path in files}


SCHEMES = ("scram", "mtls", "iam")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_of_what_clients_log_in_with_is_kept_or_said(kafka: LoginKafka, scheme: str, tmp_path: Path) -> None:
    secrets = secrets_of(kafka.credentials)
    words = ["verify", getattr(kafka, scheme), "--ca", str(kafka.ca_file), *options(kafka, scheme)]
    kept = ["--run-dir", str(tmp_path / "run"), "--history", str(tmp_path / "history"), "--report", "markdown"]
    with CommandLines() as running:
        done = brokerproof(tmp_path, *words, *kept)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    names = nothing_kept(secrets, tmp_path, running, done.stdout + done.stderr)
    assert {"report.html", "report.md", "result.json", "run.jsonl", "junit.xml"} <= names
    assert any(b"brokerproof" in line and b"verify" in line for line in running.seen), "nothing was watched"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_kept_by_what_watches_and_what_accompanies_a_change(
    kafka: LoginKafka, scheme: str, tmp_path: Path
) -> None:
    secrets = secrets_of(kafka.credentials)
    words = ["topology", "from", getattr(kafka, scheme), "--ca", str(kafka.ca_file), *options(kafka, scheme)]
    written = brokerproof(tmp_path, *words)
    assert written.returncode == 0, written.stderr
    (tmp_path / "mine.yaml").write_bytes(written.stdout)
    exports = ("--json", "events.json", "--emf", "metrics.emf")
    with CommandLines() as running:
        watched = brokerproof(tmp_path, "canary", "run", "mine.yaml", "--once", "--state", "state", *exports)
        shown = brokerproof(tmp_path, "canary", "page", "--state", "state")
        changed = brokerproof(tmp_path, "change", "run", "mine.yaml", "--settle", "1s", "-o", "changed", "--", "true")
    said = b"".join(each.stdout + each.stderr for each in (written, watched, shown, changed))
    assert (watched.returncode, shown.returncode, changed.returncode) == (0, 0, 0), said[-3000:]
    names = nothing_kept(secrets, tmp_path, running, said)
    assert {"mine.yaml", "events.json", "metrics.emf"} < names
    assert any(path.name.endswith(".html") for path in (tmp_path / "changed").rglob("*"))
    assert any(b"brokerproof" in line and b"change" in line for line in running.seen), "nothing was watched"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_kept_in_the_bucket_of_a_fleet(kafka: LoginKafka, scheme: str, tmp_path: Path) -> None:
    """The set, a client's plan and its object; the function is carried out here, with a real probe."""
    secrets = secrets_of(kafka.credentials)
    words = ["topology", "from", getattr(kafka, scheme), "--ca", str(kafka.ca_file), *options(kafka, scheme)]
    written = brokerproof(tmp_path, *words)
    assert written.returncode == 0, written.stderr
    topology = loads(written.stdout.decode(), source="mine.yaml")
    [client], [vpc, *_] = topology.clients, PATTERNS["peering"].build().vpcs
    owned = client.model_copy(update={"vpc_id": vpc.vpc_id})  # whose the function is
    of_somebody = topology.model_copy(update={"vpcs": (vpc,), "clients": (owned,)})
    hub = MachineHub(MACHINE, BUCKET, "p")
    made = make_set(hub, "s", of_somebody, hub.reach, plan=lambda *_: verification(topology, client))
    aws, [item] = FleetAws(), made.set.items
    aws.objects[item.plan_key] = made.plans[item.client]
    asked = Invocation(version=1, bucket=BUCKET, prefix="p", set="s", run="r", item=item)
    with CommandLines() as running, LocalVantage(item.client) as vantage:
        summary = Handler(vantage, ByRole(aws.session("function").client("s3")))(msgspec.to_builtins(asked), Context())
    assert summary["outcomes"] > 10
    result = decode_result(aws.objects[result_key("p", "s", "r", item.client)])
    assert Stage.AUTHENTICATE in {each.stage for each in result.said.outcomes if each.status is Status.OK}
    said = repr((summary, made.set)).encode() + b"".join(aws.objects.values())
    nothing_kept(secrets, tmp_path, running, said)
