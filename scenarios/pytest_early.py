"""Lets ``pytest --target FILE`` work for a file outside this project. Loaded by pytest before any conftest.

pytest looks for its project from the paths on its command line, and takes the value of an option it
does not know yet for such a path. ``--target=FILE`` does not have that problem, so the command is
started again in that form.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from typing import NoReturn

import pytest

OPTIONS = ("--target", "--run-dir")


def joined(words: Sequence[str]) -> list[str]:
    """The command line with each of our options and its value in one word."""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        value = next(rest, None) if word in OPTIONS else None
        found.append(word if value is None else f"{word}={value}")
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> Generator[None, object, object]:
    """Start again in the form that is understood, when the project was not found because of the value.

    The outermost wrapper, so that output is not captured yet.

    Raises:
        pytest.UsageError: pytest was called from a program, which cannot be started again.
    """
    if early_config.inipath is None and joined(args) != args:
        _start_again()
    return (yield)


def _start_again() -> NoReturn:
    again = joined(sys.orig_argv)
    if again == sys.orig_argv:
        raise pytest.UsageError(f"write {OPTIONS[0]}=FILE and {OPTIONS[1]}=DIR, with the equals sign")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *again[1:]])  # noqa: S606 - the same command
