"""A whole run with known secrets: none is in a file it writes, a word it says, or any process's command line."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

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


@pytest.mark.parametrize("scheme", ["scram", "mtls", "iam"])
def test_nothing_of_what_clients_log_in_with_is_kept_or_said(kafka: LoginKafka, scheme: str, tmp_path: Path) -> None:
    secrets = secrets_of(kafka.credentials)
    words = ["verify", getattr(kafka, scheme), "--ca", str(kafka.ca_file), *options(kafka, scheme)]
    kept = ["--run-dir", str(tmp_path / "run"), "--history", str(tmp_path / "history"), "--report", "markdown"]
    with CommandLines() as running:
        done = subprocess.run(
            [sys.executable, "-m", "brokerproof", *words, *kept],
            capture_output=True,
            timeout=RUN_S,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"report.html", "report.md", "result.json", "run.jsonl", "junit.xml"} <= names
    assert any(b"brokerproof" in line and b"verify" in line for line in running.seen), "nothing was watched"
    for secret in secrets:
        assert secret not in done.stdout + done.stderr
        assert [str(path) for path in files if secret in path.read_bytes()] == []
        assert [line for line in running.seen if secret in line] == []
