"""An installation without an extra: one plain sentence where it is missed, and everything else as ever."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from brokerproof.extras import IMPORTS, Extra
from brokerproof.probes.outcome import Measured, Role, Target
from brokerproof.probes.outcome.samples import Samples, pack
from brokerproof.reports.journal import Journal
from tests.provision.machine import ROOT
from tests.reports.builder import RUN, client_result, mixed
from tests.reports.path import view
from tests.reports.recording import record

pytestmark = pytest.mark.installed

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def without(extra: Extra | None, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in an interpreter in which nothing of the extra can be imported, or of any extra."""
    blocked = IMPORTS[extra] if extra else sum(IMPORTS.values(), ())
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"  # None: "not installed"
        "from brokerproof.cli.main import main\nmain(sys.argv[1:], 'brokerproof')"
    )
    words = [sys.executable, "-c", program, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)


MODULES: Final = {
    "prometheus-client": "prometheus_client",
    "opentelemetry-sdk": "opentelemetry",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
}
"""What is imported of a distribution, where that has another name."""


def names(requirements: list[str]) -> set[str]:
    distributions = {re.split(r"[<>=\[ ]", each)[0] for each in requirements}
    return {MODULES.get(name, name) for name in distributions}


@pytest.mark.parametrize("extra", Extra)
def test_an_extra_is_declared_as_what_is_imported(extra: Extra) -> None:
    assert names(PROJECT["optional-dependencies"][extra]) == set(IMPORTS[extra])
    assert not names(PROJECT["dependencies"]) & set(IMPORTS[extra])


def test_a_client_host_needs_a_part_of_what_everybody_needs() -> None:
    assert set(PROJECT["optional-dependencies"]["probe"]) < set(PROJECT["dependencies"])


def test_all_is_every_other_extra() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]

    assert re.findall(r"\w+", everything)[1:] == sorted(PROJECT["optional-dependencies"].keys() - {"all"})


@pytest.mark.parametrize("command", [["compare", "peering"], ["history"]], ids=" ".join)
def test_a_command_that_compares_says_what_to_install(tmp_path: Path, command: list[str]) -> None:
    ran = without(Extra.COMPARE, *command, cwd=tmp_path)

    needs = f"brokerproof {command[0]} needs duckdb, numpy, scipy and threadpoolctl: pip install 'brokerproof[compare]'"
    assert ran.stderr == f"Error: {needs}\n"
    assert ran.returncode == 3
    assert not [*tmp_path.iterdir()]


def test_the_lab_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no lab, whatever the answer is
    ran = without(Extra.LAB, "lab", "up", "peering", cwd=tmp_path)

    assert ran.stderr.endswith("Error: the lab needs tenacity: pip install 'brokerproof[lab]'\n")
    assert ran.returncode == 3


@pytest.mark.parametrize("command", ["compare", "history", "lab up", "topology check", "report"])
def test_help_needs_no_extra(tmp_path: Path, command: str) -> None:
    ran = without(None, *command.split(), "--help", cwd=tmp_path)

    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_report_without_plots_says_so_once_and_has_every_table(tmp_path: Path) -> None:
    record(tmp_path, mixed().clients)

    with_plots = subprocess.run(
        [sys.executable, "-m", "brokerproof", "report", tmp_path], capture_output=True, text=True, check=False
    )
    whole = (tmp_path / "report.html").read_text()
    ran = without(Extra.REPORT, "report", ".", cwd=tmp_path)
    bare = (tmp_path / "report.html").read_text()

    assert ran.returncode == with_plots.returncode == 1
    assert "brokerproof-plot" in whole.split("</style>")[1]
    assert "brokerproof-plot" not in bare.split("</style>")[1]
    assert whole.count("pip install") == 0
    (said,) = re.findall(r"<p class=\"quiet\">No plots. (.*?)</p>", bare)
    assert "A plot needs matplotlib: pip install &#39;brokerproof[report]&#39;" in said
    assert bare.count("<table") == whole.count("<table")
    assert bare.count("<tr") == whole.count("<tr")


def test_a_run_without_duckdb_keeps_its_samples_in_the_journal_and_says_so(tmp_path: Path) -> None:
    target = Target(role=Role.BROKER, name="b-1", broker_id=1)
    (block,) = pack(Measured.CONNECT, target, Samples([0], [1], [400]), zero_ns=0, warm_up=False)
    with Journal.open(tmp_path, RUN) as journal:
        client = journal.client(client_result(view()).view)
        client.line(block)
        journal.finish_run()

    ran = without(Extra.COMPARE, "report", ".", cwd=tmp_path)

    needs = "samples.parquet needs duckdb, numpy, scipy and threadpoolctl: pip install 'brokerproof[compare]'"
    assert f"{needs}; until then the journal alone keeps the samples" in " ".join(ran.stdout.split())
    assert ran.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal", "junit.xml", "report.html", "result.json"]

    subprocess.run([sys.executable, "-m", "brokerproof", "report", tmp_path], capture_output=True, check=False)

    assert (tmp_path / "samples.parquet").exists()
