"""What pytest loads in every environment that has brokerproof: it registers the scenarios where they are asked for.

Options, markers and fixtures are those of :mod:`brokerproof.scenarios.plugin`. A pytest that names no
scenario sees none of them. Imports nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

SCENARIOS: Final = "brokerproof.scenarios"
PLUGIN: Final = f"{SCENARIOS}.plugin"
PATH_OPTIONS: Final = ("--target", "--run-dir", "--history")


def names_scenarios(words: Sequence[str]) -> bool:
    """Whether the command line names the installed scenarios, one of their files, or a test in one."""
    return any(word == SCENARIOS or word.startswith((f"{SCENARIOS}.", f"{SCENARIOS}::")) for word in words)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Register the plug-in before the command line is understood; explain the one word that pytest misunderstands.

    The outermost wrapper, so that output is not captured yet.

    Raises:
        pytest.UsageError: an option of ours is unknown because of the file it names.
    """
    if names_scenarios(args):
        early_config.pluginmanager.import_plugin(PLUGIN)
    result = yield
    option, value = _unknown_for_its_value(parser, args)
    if option and _registers_the_plugin(early_config.invocation_params.dir / "conftest.py"):
        also = f", or: brokerproof verify {value}" if option == "--target" else ""
        raise pytest.UsageError(
            f"{option} is unknown, because pytest takes the word after it for the folder of its tests and "
            f"does not read this folder's conftest.py; write {option}={value}{also}"
        )
    return result


def _unknown_for_its_value(parser: pytest.Parser, words: Sequence[str]) -> tuple[str, str]:
    """The first of our path options that nobody has registered, with the word after it; both empty without one."""
    pairs = [(word, value) for word, value in pairwise(words) if word in PATH_OPTIONS]
    if not pairs:
        return "", ""
    unknown = parser.parse_known_and_unknown_args(words)[1]
    return next((pair for pair in pairs if pair[0] in unknown), ("", ""))


def _registers_the_plugin(conftest: Path) -> bool:
    try:
        return PLUGIN in conftest.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
