"""What all tests share: laws are not timed, since machines are noisy, and workers begin with what takes longest."""

from __future__ import annotations

import atexit
import gc
import os
import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.descriptions import share
from tests.examples import DEFAULT, examples

settings.register_profile("untimed", deadline=None, max_examples=examples(DEFAULT))
settings.load_profile("untimed")

gc.disable()  # what is imported and collected stays

LONGEST: Final = (
    "scenarios/test_faults.py",
    "installed/test_wheel.py",
    "lab/test_from_inside.py",
    "lab/test_watched_changes.py",
    "lab/test_alerts.py",
    "lab/test_life.py",
    "lab/test_no_secret_is_kept.py",
    "probes/test_records.py",
    "probes/test_clients_ahead.py",
)
"""Files of few tests that each take long, in this order."""


_OF_THE_MODULE: Final = re.compile(r"^pytestmark = (?:\[[^]]*\]|.*)", re.MULTILINE)
_LEFT_OUT: Final = re.compile(r"not (\w+)")
_ONLY_LEAVES_OUT: Final = re.compile(r"not \w+(?: and not \w+)*")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a module whose own mark is left out, nor the conftest of a room of such modules."""
    expression = config.option.markexpr
    if not _ONLY_LEAVES_OUT.fullmatch(expression):
        return None
    modules = list(collection_path.glob("test_*.py")) if collection_path.is_dir() else [collection_path]
    left_out = set(_LEFT_OUT.findall(expression))
    return True if modules and all(_marks_of(module) & left_out for module in modules) else None


def _marks_of(module: Path) -> set[str]:
    """The marks that a module has as a whole, by its text."""
    return set(
        re.findall(r"pytest\.mark\.(\w+)", "".join(_OF_THE_MODULE.findall(module.read_text("utf-8", "replace"))))
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with files of few long tests, which would else be left to one worker at the end.

    xdist's own order (``--loadscope-reorder``) takes a file for long that has many tests. It is kept for the others.
    """
    if not hasattr(config, "workerinput"):
        return
    here = Path(__file__).parent
    rank = {here / name: place for place, name in enumerate(LONGEST)}
    tests_in = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, bool, int]:
        return rank.get(item.path, len(rank)), item.get_closest_marker("installed") is None, -tests_in[item.path]

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Read AWS's descriptions once; look for garbage in what tests make, not in modules and tests again and again."""
    share()
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker end without taking down what it has, object by object, for seconds."""
    if hasattr(session.config, "workerinput"):
        atexit.register(_leave)
    else:
        gc.unfreeze()  # else what was frozen is told as leaked


def _leave() -> None:
    atexit.unregister(_leave)
    atexit._run_exitfuncs()
    os._exit(0)
