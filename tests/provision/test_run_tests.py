"""What fails beside other tests is run once more alone, and is listed where it passes then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.run_tests import AT_MOST

ROOT = Path(__file__).resolve().parents[2]
ONCE = """
from pathlib import Path

def test_once():
    seen = Path("seen")
    before = seen.exists()
    seen.touch()
    assert before
"""


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "tools.run_tests", "-q", "--rootdir", str(folder), "test_it.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_passes_alone_is_listed_as_unsteady(tmp_path: Path) -> None:
    done = run(tmp_path, ONCE)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("to be mended:\n  test_it.py::test_once\n")


def test_what_fails_alone_too_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_never():\n    assert False\n")
    assert done.returncode == 1
    assert done.stdout.count("test_it.py::test_never") >= 2
    assert "UNSTEADY" not in done.stdout


def test_many_failures_are_no_accident(tmp_path: Path) -> None:
    done = run(
        tmp_path, "\n".join(ONCE.replace("seen", f"seen{n}").replace("once", f"{n}") for n in range(AT_MOST + 1))
    )
    assert done.returncode == 1
    assert "run again" not in done.stdout


def test_nothing_is_run_again_where_a_file_cannot_be_read(tmp_path: Path) -> None:
    done = run(tmp_path, "import nothing_of_this_name\n")
    assert done.returncode == 2
    assert "run again" not in done.stdout


def test_what_passes_is_run_once(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_well():\n    pass\n")
    assert done.returncode == 0
    assert "again" not in done.stdout
