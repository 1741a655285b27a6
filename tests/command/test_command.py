"""The command itself: what it imports, and that its list of commands says what they say of themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from brokerproof.cli.late import LateCommand
from brokerproof.cli.main import main
from brokerproof.topology.files import dumps
from brokerproof.topology.patterns import PATTERNS

HEAVY = frozenset(
    {"boto3", "botocore", "confluent_kafka", "cryptography", "duckdb", "matplotlib", "numpy", "scipy", "tenacity"}
)
NOT_FOR_HELP = HEAVY | {"brokerproof.lab", "brokerproof.topology", "msgspec", "pydantic", "pytest", "rich"}


def late_commands(group: click.Group) -> Iterator[LateCommand]:
    for command in group.commands.values():
        if isinstance(command, LateCommand):
            yield command
            if isinstance(command.command, click.Group):
                yield from late_commands(command.command)


def imported_by(*arguments: str) -> set[str]:
    """Every module that is imported when the command runs to its end."""
    program = (
        "import sys\nfrom brokerproof.cli.main import main\n"
        "try:\n    main(sys.argv[1:], 'brokerproof')\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.stderr.write('\\n'.join(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return set(ran.stderr.splitlines())


@pytest.mark.parametrize("command", [*late_commands(main)], ids=lambda command: command.name)
def test_the_list_has_the_first_sentence_of_each_command(command: LateCommand) -> None:
    said = " ".join((command.command.help or "").split())

    assert said.startswith(command.short_help or "-")
    assert command.command.name == command.name


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_of_any_command(arguments: list[str]) -> None:
    imported = imported_by(*arguments)

    assert "click" in imported
    assert not imported & NOT_FOR_HELP


def test_a_topology_is_checked_without_what_measures_or_draws(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(dumps(PATTERNS["peering"].build()))

    imported = imported_by("topology", "check", str(file))

    assert "brokerproof.topology.files" in imported
    assert not imported & HEAVY
