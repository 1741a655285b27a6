"""From a bootstrap string to a verdict, against real Kafkas on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brokerproof.cli.main import main
from brokerproof.reports.document import ResultDocument, decode_document
from tests.loopback_kafka import LoopbackKafka, loopback_kafka

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackKafka]:
    with loopback_kafka(tmp_path_factory.mktemp("plain"), (0,)) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackKafka]:
    with loopback_kafka(tmp_path_factory.mktemp("three"), (1, 2, 1001), tls=True) as kafka:
        yield kafka


def verify(folder: Path, *words: str) -> tuple[Result, ResultDocument]:
    done = CliRunner().invoke(main, ["verify", *words, "--run-dir", str(folder / "run")])
    return done, decode_document((folder / "run" / "result.json").read_bytes())


def stages(document: ResultDocument) -> set[str]:
    return {check.stage.value for client in document.clients for check in client.checks}


def test_one_broker_without_tls_is_green(plain: LoopbackKafka, tmp_path: Path) -> None:
    done, document = verify(tmp_path, plain.bootstrap, "--report", "markdown")
    assert done.exit_code == 0, done.output
    assert {"produce", "consume", "group", "identity", "path_size"} <= stages(document)
    assert "broker-0 ok" in done.output
    assert "probably a cluster on this host" in " ".join(done.output.split())
    assert "a cluster on this host" in (tmp_path / "run" / "report.md").read_text()
    assert "a cluster on this host" in (tmp_path / "run" / "report.html").read_text()


def test_by_an_address_instead_of_a_name(plain: LoopbackKafka, tmp_path: Path) -> None:
    done, _ = verify(tmp_path, f"127.0.0.1:{plain.ports[0]}", "--plaintext")
    assert done.exit_code == 0, done.output


def test_three_brokers_at_one_address_with_tls(three: LoopbackKafka, tmp_path: Path) -> None:
    done, document = verify(tmp_path, three.bootstrap, "--ca", str(three.ca_file), "--measure", "brief")
    assert done.exit_code == 0, done.output
    assert {"handshake", "latency", "throughput"} <= stages(document)
    assert {f"broker-{n}" for n in (1, 2, 1001)} <= set(done.output.split())


def test_one_broker_named_leads_to_all(three: LoopbackKafka, tmp_path: Path) -> None:
    done, _ = verify(tmp_path, f"localhost:{three.ports[2]}", "--tls", "--ca", str(three.ca_file))
    assert done.exit_code == 0, done.output
    assert {f"broker-{n}" for n in (1, 2, 1001)} <= set(done.output.split())


def test_read_only_creates_and_joins_nothing(plain: LoopbackKafka, tmp_path: Path) -> None:
    done, document = verify(tmp_path, plain.bootstrap, "--read-only")
    assert done.exit_code == 0, done.output
    assert stages(document) == {"resolve", "connect", "api", "metadata", "identity"}


def test_an_authority_that_is_not_trusted_is_red(three: LoopbackKafka, tmp_path: Path) -> None:
    done, _ = verify(tmp_path, three.bootstrap, "--tls")
    assert done.exit_code == 1, done.output
    assert "tls." in done.output


def test_a_topic_that_is_not_there_is_red(plain: LoopbackKafka, tmp_path: Path) -> None:
    done, _ = verify(tmp_path, plain.bootstrap, "--existing-topic", "no-such-topic")
    assert done.exit_code == 1, done.output


def test_the_file_that_topology_from_writes_is_green(three: LoopbackKafka, tmp_path: Path) -> None:
    written = CliRunner().invoke(main, ["topology", "from", three.bootstrap, "--ca", str(three.ca_file)])
    assert written.exit_code == 0, written.output
    mine = tmp_path / "mine.yaml"
    mine.write_text(written.stdout)
    checked = CliRunner().invoke(main, ["topology", "check", str(mine)])
    assert checked.exit_code == 0, checked.output
    assert "unknown: clusters[0].brokers[0].client_vpc_ip_address and 2 more" in checked.output
    done, _ = verify(tmp_path, str(mine), "-m", "canary")
    assert done.exit_code == 0, done.output


def test_a_broker_that_is_stopped_is_red(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with loopback_kafka(tmp_path_factory.mktemp("stopped"), (1, 2, 3)) as kafka:
        written = CliRunner().invoke(main, ["topology", "from", kafka.bootstrap])
        (tmp_path / "mine.yaml").write_text(written.stdout)
        kafka.processes[2].kill()
        kafka.processes[2].wait()
        done, _ = verify(tmp_path, str(tmp_path / "mine.yaml"), "-m", "canary")
        assert done.exit_code == 1, done.output
        assert "broker 3" in done.output
