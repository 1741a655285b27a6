"""A pytest that names no scenario sees nothing of brokerproof; one that misreads a command line says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed.stand_in import write_target

pytestmark = pytest.mark.installed

ROOT = Path(__file__).parents[2]
CONFTEST = """
import pytest

def pytest_addoption(parser):
    for option in ("--target", "--load", "--report", "--history", "--measure"):
        parser.addoption(option)

@pytest.fixture
def run(request):
    return request.config.getoption("--target")
"""


def run_pytest(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_nothing_shows_and_nothing_collides(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text("PATTERN = 'peering'\n\ndef test_it(run):\n    assert run == 'theirs'\n")
    done = run_pytest(tmp_path, "--strict-markers", "--target", "theirs", "--load", "1", "--history", "h")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
    for word in ("--help", "--markers", "--fixtures"):
        said = run_pytest(tmp_path, word).stdout.replace(str(tmp_path), "")
        # pytest itself lists every installed distribution that has a plug-in.
        listed = "\n".join(line for line in said.splitlines() if not line.startswith("plugins: "))
        assert "--target" in listed or word != "--help"
        for ours in ("brokerproof", "privatelink", "--verdict-within", "client_run"):
            assert ours not in listed, word


def test_named_on_the_command_line_its_options_and_markers_are_there(tmp_path: Path) -> None:
    assert "--verdict-within" in run_pytest(tmp_path, "--pyargs", "brokerproof.scenarios", "--help").stdout
    assert "privatelink" in run_pytest(tmp_path, "--markers", "--pyargs", "brokerproof.scenarios.test_in_vpc").stdout


@pytest.mark.parametrize(("option", "also"), [("--target", True), ("--history", False)])
def test_a_value_that_pytest_takes_for_its_folder_is_explained(tmp_path: Path, option: str, *, also: bool) -> None:
    target = write_target(tmp_path / "mine.yaml", "in_vpc")
    done = run_pytest(ROOT, "-m", "privatelink", option, target)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert f"write {option}={target}" in done.stderr
    assert (f"brokerproof verify {target}" in done.stderr) is also


def test_where_the_option_is_nobodys_pytest_says_so_itself(tmp_path: Path) -> None:
    target = write_target(tmp_path / "mine.yaml", "in_vpc")
    done = run_pytest(tmp_path, "--target", target)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "unrecognized arguments: --target" in done.stderr
    assert "brokerproof verify" not in done.stderr
