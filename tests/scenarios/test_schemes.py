"""The scenarios and `brokerproof verify` against labs whose clients log in, one pattern of PrivateLink a scheme.

What nobody logs in to is in test_runs.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerproof.cli.main import main
from brokerproof.probes.outcome import Stage
from tests.scenarios.test_runs import result, run_pytest

pytestmark = pytest.mark.lab

SMALL = ("--brokers", "1", "--overlap", "off", "--no-remote")
PATIENT = ("--verdict-within", "20")
"""The brokers of a lab are new, and the machine may be busy."""


@pytest.fixture(
    params=[
        ("privatelink_multi_nlb", "mtls"),
        ("privatelink_single_nlb", "scram_sha_512"),
        ("privatelink_cross_region", "iam"),
    ],
    ids="-".join,
)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The file that describes a lab of a pattern and a scheme."""
    pattern, scheme = request.param
    path = tmp_path / "lab.yaml"
    name = f"{scheme.replace('_', '-')}-{os.getpid()}"
    words = ["lab", "up", pattern, "--authentication", scheme, *SMALL, "--name", name, "--write-target", str(path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    yield path
    assert CliRunner().invoke(main, ["lab", "down", "--name", name]).exit_code == 0


def test_clients_that_log_in_are_green(target: Path, tmp_path: Path) -> None:
    words = ("-m", "privatelink and not performance", "-q", "-p", "no:cacheprovider", *PATIENT)
    done = run_pytest(*words, f"--target={target}", "--run-dir", tmp_path / "run")
    assert done.returncode == 0, done.stdout
    stages = [{check.stage for check in client.checks} for client in result(tmp_path / "run").clients]
    through = [each for each in stages if Stage.PRODUCE in each]  # observers get nowhere
    assert through
    assert all(Stage.AUTHENTICATE in each for each in through)
    verified = CliRunner().invoke(
        main, ["verify", str(target), "-m", "canary", *PATIENT, "--run-dir", str(tmp_path / "verify")]
    )
    assert verified.exit_code == 0, verified.output
