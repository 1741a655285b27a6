"""What fails beside other tests is run once more alone, and is listed where it passes then; two runs side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import LONGEST
from tools.run_tests import AT_MOST, BESIDE

pytestmark = pytest.mark.slow


ROOT = Path(__file__).resolve().parents[2]
ONCE = """
from pathlib import Path

def test_once():
    seen = Path("seen")
    before = seen.exists()
    seen.touch()
    assert before
"""


ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "PATH": "/usr/bin:/bin",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of what a pytest costs that has nothing to do
    "PYTEST_PLUGINS": "xdist.plugin",
}


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    return carried_out(folder, "-m", "tools.run_tests", *words(folder, "test_it.py"))


def side_by_side(folder: Path, first: str, beside: str) -> subprocess.CompletedProcess[str]:
    return carried_out(folder, "-m", "tools.run_tests", *both(folder, first, beside))


def both(folder: Path, first: str, beside: str) -> list[str]:
    (folder / "test_first.py").write_text(first, encoding="utf-8")
    (folder / "test_beside.py").write_text(beside, encoding="utf-8")
    return [*words(folder, "test_first.py"), BESIDE, *words(folder, "test_beside.py")]


def words(folder: Path, name: str) -> list[str]:
    return ["-q", "--rootdir", str(folder), name]


def carried_out(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
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


WELL = "def test_well():\n    pass\n"
NEVER = "def test_never():\n    assert False\n"
UNTIL_TOLD = """
import time
from pathlib import Path

def test_until_told():
    Path("NAME").touch()
    time.sleep(600)
"""
AS_LATE_AS_CAN_BE = """
import os, subprocess, sys

def test_of_lowest_priority():
    own = "import os; print(os.sched_getscheduler(0))"
    its = subprocess.run([sys.executable, "-c", own], capture_output=True, text=True, check=True).stdout
    assert os.sched_getscheduler(0) == os.SCHED_IDLE == int(its)
"""
FIRST_IS_NOT = "import os\n\ndef test_first():\n    assert os.sched_getscheduler(0) == {0}\n"


def test_two_runs_go_side_by_side_and_the_second_is_told_whole_at_the_end(tmp_path: Path) -> None:
    """Neither ends unless the other runs."""
    meets = "import time\nfrom pathlib import Path\n\ndef test_meets():\n    Path('{0}').touch()\n"
    meets += "    while not Path('{1}').exists():\n        time.sleep(0.02)\n"
    done = side_by_side(tmp_path, meets.format("a", "b"), meets.format("b", "a"))
    assert done.returncode == 0, done.stdout
    first, told, beside = done.stdout.partition("\nbeside: pytest -q --rootdir")
    assert told
    assert first.count("1 passed") == beside.count("1 passed") == 1


def test_the_second_has_what_the_first_leaves_of_the_processors(tmp_path: Path) -> None:
    done = side_by_side(tmp_path, FIRST_IS_NOT.format(os.sched_getscheduler(0)), AS_LATE_AS_CAN_BE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("first", "beside"), [(WELL, NEVER), (NEVER, WELL)])
def test_a_failure_of_either_run_counts(tmp_path: Path, first: str, beside: str) -> None:
    done = side_by_side(tmp_path, first, beside)
    assert done.returncode == 1
    assert done.stdout.count("::test_never") >= 2, "once beside, once alone"


def test_what_failed_in_either_run_is_run_again_once_both_have_ended(tmp_path: Path) -> None:
    done = side_by_side(tmp_path, ONCE, ONCE.replace("seen", "other"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("to be mended:\n  test_first.py::test_once\n  test_beside.py::test_once\n")


def test_a_second_run_that_cannot_begin_is_not_taken_for_a_success(tmp_path: Path) -> None:
    done = side_by_side(tmp_path, WELL, "import nothing_of_this_name\n")
    assert done.returncode == 2


def test_how_far_the_second_run_is_is_said(tmp_path: Path) -> None:
    slow = "import time\n\ndef test_slow():\n    pass\n\ndef test_slower():\n    time.sleep(2)\n"
    arguments = [*both(tmp_path, WELL, slow), "-vv"]
    said = carried_out(tmp_path, "-c", f"from tools.run_tests import main; main({arguments}, said_every_s=0.1)").stdout
    assert "\nbeside: begun\n" in said
    assert "\nbeside: 50 %\n" in said


@pytest.mark.parametrize(("number", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_who_ends_it_ends_both(tmp_path: Path, number: signal.Signals, to_all: bool) -> None:
    """Ctrl-C on a terminal goes to every process of the group."""
    arguments = both(tmp_path, UNTIL_TOLD.replace("NAME", "one"), UNTIL_TOLD.replace("NAME", "two"))
    command = [sys.executable, "-m", "tools.run_tests", *arguments]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, start_new_session=True
    ) as started:
        ends_at = time.monotonic() + 60
        while not (tmp_path / "one").exists() or not (tmp_path / "two").exists():
            assert time.monotonic() < ends_at
            time.sleep(0.05)
        (os.killpg if to_all else os.kill)(started.pid, number)
        said, _ = started.communicate(timeout=60)
        assert started.returncode != 0
        assert b"run again" not in said
        with pytest.raises(ProcessLookupError):
            os.killpg(started.pid, 0)


def test_every_file_that_workers_begin_with_is_there() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
