"""The options by which a bootstrap string is reached: the same of every command that takes one."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final, TypeVar

import click

from brokerproof.cli.endings import WRONG_USE, Said
from brokerproof.running.bootstrap import Wanted, parse
from brokerproof.topology.models import ClientVantage, VantageKind

F = TypeVar("F", bound=Callable[..., Any])
_TO_A_SHELL: Final = frozenset({"ssh", "autossh", "plink"})
_EXAMPLE: Final = "--from 'ssh host --'"
NAMES: Final = {"tls": "--tls", "ca_file": "--ca", "existing_topic": "--existing-topic", "prefix": "--from"}
"""The options by the names of their values."""


def bootstrap_options(function: F) -> F:
    """Add them to a command."""
    for option in reversed(
        (
            click.option(
                "--tls/--plaintext", "tls", default=None, help="BOOTSTRAP: by the port's convention, or what answers."
            ),
            click.option("--ca", "ca_file", metavar="FILE", help="BOOTSTRAP: trust these authorities (PEM)."),
            click.option(
                "--existing-topic", "existing_topic", metavar="NAME", help="BOOTSTRAP: write to it, and create none."
            ),
            click.option(
                "--from", "prefix", metavar="PREFIX", help="BOOTSTRAP: probe from there, as in --from 'ssh host --'."
            ),
        )
    ):
        function = option(function)
    return function


def wanted_of(
    bootstrap: str, name: str, *, tls: bool | None, ca_file: str | None, existing_topic: str | None, prefix: str | None
) -> Wanted:
    """What the options say of a bootstrap string.

    Raises:
        BootstrapError: it is none.
        Said: an option cannot be read.
    """
    return Wanted(
        endpoints=parse(bootstrap),
        tls=tls,
        ca_file=ca_file,
        existing_topic=existing_topic,
        vantage=vantage_of(prefix),
        name=name,
    )


def vantage_of(prefix: str | None) -> ClientVantage:
    """The vantage of a command prefix, as in ``ssh host --``; without one, this machine.

    Raises:
        Said: it is no command.
    """
    if prefix is None:
        return ClientVantage(kind=VantageKind.LOCAL)
    try:
        words = tuple(shlex.split(prefix))
    except ValueError as wrong:
        raise Said(f"--from {prefix!r}: {wrong}; give a command prefix, as in {_EXAMPLE}", WRONG_USE) from None
    if not words:
        raise Said(f"--from is empty; give a command prefix, as in {_EXAMPLE}", WRONG_USE)
    shell = any(PurePath(word).name in _TO_A_SHELL for word in words)
    return ClientVantage(kind=VantageKind.EXEC, command=words, far_shell=shell)
