"""The wheel: what is in it, that it works from an empty directory, and that no other project's files get in its way.

The environment it is installed in borrows this one's dependencies, and never this checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from brokerproof.reports.document import decode_document
from tests.installed.stand_in import write_target

pytestmark = pytest.mark.installed

ROOT = Path(__file__).parents[2]
NOT_BUILT_FROM = (
    ".venv", ".git", "results", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "node_modules"
)  # fmt: skip
NOT_BORROWED = ("__editable__", "brokerproof", "pip", "distutils-precedence", "_brokerproof")
DATA = (
    "brokerproof/py.typed",
    "brokerproof/reports/templates/report.html.j2",
    "brokerproof/reports/schema/result-document.schema.json",
    "brokerproof/topology/schema/topology.schema.json",
)
NEIGHBOURS = ("topology==1.21.0", "lab")
"""Projects of PyPI whose import names were once ours too; the first is a plug-in of pytest."""
PATHS = ("-m", "privatelink and not performance", "-k", "own_path")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = list(map(str, command))
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600)


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment, with an empty directory to work in."""

    folder: Path
    empty: Path

    def python(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return run(self.folder / "bin" / "python", *arguments, cwd=cwd or self.empty)

    def brokerproof(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return run(self.folder / "bin" / "brokerproof", *arguments, cwd=self.empty)

    def pip(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.folder / "bin" / "python")
        return run(*pip, *arguments, cwd=self.empty)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout's files, so that what an earlier build left is not taken for a part of it."""
    folder = tmp_path_factory.mktemp("source") / "brokerproof"
    return shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*NOT_BUILT_FROM))


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    done = run(sys.executable, "-m", "pip", *build, cwd=source)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", symlinks=True)
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for path in {Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}:
        for entry in path.iterdir():
            if not entry.name.lower().startswith(NOT_BORROWED) and entry.suffix != ".pth":
                (borrowed / entry.name).symlink_to(entry)
    [site] = (folder / "venv").glob("lib/python3*/site-packages")
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    (folder / "empty").mkdir()
    made = Environment(folder / "venv", folder / "empty")
    done = made.pip("install", "--quiet", "--no-deps", "--no-index", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def assert_works(environment: Environment) -> None:
    where = environment.python("-c", "import brokerproof; print(brokerproof.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(environment.folder), where.stdout + where.stderr
    helped = environment.brokerproof("--help")
    assert "Prove that a private network path" in helped.stdout, helped.stderr
    found = environment.python("-m", "pytest", "--collect-only", "-q", "--pyargs", "brokerproof.scenarios.test_in_vpc")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "test_certificate_is_valid_for_the_name[cluster_vpc-broker-1]" in found.stdout


def test_it_holds_the_package_and_nothing_else(wheel: Path, source: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert {name.partition("/")[0].split("-")[0] for name in names} == {"brokerproof"}
    assert [name for name in sorted({name.partition("/")[0] for name in names}) if "-" in name] == [
        f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    ]
    packed = {name for name in names if name.startswith("brokerproof/")}
    rooms = ("brokerproof", "probes", "reports", "scenarios")
    files = [path for room in rooms for path in (source / room).rglob("*") if path.is_file()]
    below = {path.relative_to(source).as_posix() for path in files if "__pycache__" not in path.parts}
    assert packed == {name if name.startswith("brokerproof/") else f"brokerproof/{name}" for name in below}
    assert set(DATA) <= packed
    assert any(name.startswith("brokerproof/lab/daemons/kafka/") for name in packed)


def test_from_an_empty_directory_a_target_is_verified(environment: Environment) -> None:
    assert_works(environment)
    write_target(environment.empty / "mine.yaml", "privatelink_single_nlb")
    pytest_words = ("--pyargs", "brokerproof.scenarios", *PATHS, "--target", "mine.yaml", "-n", "2", "--run-dir", "two")
    for code, run_dir in (
        (environment.brokerproof("verify", "mine.yaml", *PATHS, "--run-dir", "one"), "one"),
        (environment.python("-m", "pytest", *pytest_words), "two"),
    ):
        assert code.returncode == 0, code.stdout + code.stderr
        document = decode_document((environment.empty / run_dir / "result.json").read_bytes())
        assert document.complete
        assert {test.node_id.partition("::")[0] for test in document.tests} == {
            "scenarios/test_privatelink_single_nlb.py"
        }


@pytest.mark.lab
def test_from_an_empty_directory_a_lab_is_verified(environment: Environment) -> None:
    name = f"wheel-{os.getpid()}"
    up = environment.brokerproof("lab", "up", "peering", "--name", name, "--write-target", "lab.yaml")
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        done = environment.brokerproof("verify", "lab.yaml", "-m", "peering and not performance", "--run-dir", "lab")
    finally:
        environment.brokerproof("lab", "down", "--name", name)
    assert done.returncode == 0, done.stdout + done.stderr
    document = decode_document((environment.empty / "lab" / "result.json").read_bytes())
    assert document.complete
    assert {client.name for client in document.clients} >= {"peering.peered", "peering.remote_by_peering"}


def test_projects_with_such_names_come_and_go_beside_it(environment: Environment, source: Path) -> None:
    came = environment.pip("install", "--quiet", "--retries", "1", *NEIGHBOURS)
    if came.returncode != 0 and "CI" not in os.environ:
        pytest.skip(f"the package registry does not give {' and '.join(NEIGHBOURS)}: {came.stderr.strip()[-200:]}")
    assert came.returncode == 0, came.stderr
    named = "import topology, lab; assert topology.__file__ and lab.__file__"
    assert environment.python("-c", named).returncode == 0
    assert_works(environment)
    quiet = ("-W", "default", "-p", "no:cacheprovider")  # warnings of the neighbour's plug-in are no errors of ours
    in_checkout = environment.python("-m", "pytest", *quiet, "-q", "tests/topology/test_acl.py", cwd=source)
    assert in_checkout.returncode == 0, in_checkout.stdout + in_checkout.stderr
    assert environment.pip("uninstall", "--quiet", "--yes", "topology", "lab").returncode == 0
    assert environment.python("-c", named).returncode != 0
    assert_works(environment)
