"""From a bootstrap string to a verdict where clients log in: SCRAM, mutual TLS and IAM, against a real Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brokerproof.cli.main import main
from tests.loopback_kafka import LoginKafka, login_kafka

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginKafka]:
    with login_kafka(tmp_path_factory.mktemp("logins")) as started:
        yield started


def login(kafka: LoginKafka, scheme: str) -> tuple[str, ...]:
    held = kafka.credentials
    options = {
        "scram": ("--username", f"file:{held / 'lab.username'}", "--password", f"file:{held / 'lab.password'}"),
        "mtls": ("--certificate", f"file:{held / 'lab.pem'}", "--key", f"file:{held / 'lab.key'}"),
        "iam": ("--profile", "lab", "--credentials-file", str(held / "aws"), "--region-name", "us-east-1"),
    }
    return getattr(kafka, scheme), "--ca", str(kafka.ca_file), *options[scheme]


def brokerproof(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("scheme", ["scram", "mtls", "iam"])
def test_who_logs_in_is_green_and_no_secret_is_kept(kafka: LoginKafka, scheme: str, tmp_path: Path) -> None:
    done = brokerproof("verify", *login(kafka, scheme), "--run-dir", str(tmp_path / "run"))
    assert done.exit_code == 0, done.output
    assert "authenticate" in " ".join(done.output.split())
    password = (kafka.credentials / "lab.password").read_text().strip()
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or password.encode() not in file.read_bytes()


@pytest.mark.parametrize("scheme", ["scram", "mtls", "iam"])
def test_the_file_that_topology_from_writes_logs_in_too(kafka: LoginKafka, scheme: str, tmp_path: Path) -> None:
    written = brokerproof("topology", "from", *login(kafka, scheme))
    assert written.exit_code == 0, written.output
    (tmp_path / "mine.yaml").write_text(written.stdout)
    checked = brokerproof("topology", "check", str(tmp_path / "mine.yaml"))
    assert checked.exit_code == 0, checked.output
    done = brokerproof("verify", str(tmp_path / "mine.yaml"), "-m", "canary", "--run-dir", str(tmp_path / "run"))
    assert done.exit_code == 0, done.output


def test_a_password_of_the_environment_that_is_wrong_is_red(
    kafka: LoginKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_PASSWORD", "not-it")
    words = list(login(kafka, "scram"))
    words[-1] = "env:WRONG_PASSWORD"
    done = brokerproof("verify", *words, "--run-dir", str(tmp_path / "run"))
    assert done.exit_code == 1, done.output
    assert "auth.scram_password" in done.output
    assert "not-it" not in done.output


def test_a_reference_that_leads_nowhere_is_no_verdict_on_the_path(kafka: LoginKafka, tmp_path: Path) -> None:
    words = list(login(kafka, "scram"))
    words[-1] = "env:NO_SUCH_VARIABLE_HERE"
    done = brokerproof("verify", *words, "--run-dir", str(tmp_path / "run"))
    assert "env:NO_SUCH_VARIABLE_HERE: the environment of the probe has no such variable" in " ".join(
        done.output.split()
    )
    assert done.exit_code in {1, 3}, done.output
