"""The options by which a bootstrap string is reached: the same of every command that takes one."""

from __future__ import annotations

import re
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
_EXAMPLE: Final = "--from 'ssh host --' or --from ssh:host"
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
                "--from", "prefix", metavar="PREFIX", help="BOOTSTRAP: from there: ssh:HOST, or a command prefix."
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


def _by_ssh(text: str) -> ClientVantage:
    match = re.fullmatch(r"ssh:(?:([^@\s]+)@)?([^@:\s]+|\[[^\]\s]+\])(?::(\d+))?", text)
    wrong = Said(f"--from {text!r}: expected ssh:[USER@]HOST[:PORT], as in --from ssh:ec2-user@client-host", WRONG_USE)
    if match is None:
        raise wrong
    port = None if match[3] is None else int(match[3])
    try:
        return ClientVantage(kind=VantageKind.SSH, host=match[2], user=match[1], port=port)
    except ValueError:
        raise wrong from None


def vantage_of(prefix: str | None) -> ClientVantage:
    """The vantage of ``ssh:HOST``, or of a command prefix, as in ``ip netns exec NAME``; without one, this machine.

    Raises:
        Said: it is no command.
    """
    if prefix is None:
        return ClientVantage(kind=VantageKind.LOCAL)
    if prefix.startswith("ssh:"):
        return _by_ssh(prefix)
    try:
        words = tuple(shlex.split(prefix))
    except ValueError as wrong:
        raise Said(f"--from {prefix!r}: {wrong}; give a command prefix, as in {_EXAMPLE}", WRONG_USE) from None
    if not words:
        raise Said(f"--from is empty; give a command prefix, as in {_EXAMPLE}", WRONG_USE)
    shell = any(PurePath(word).name in _TO_A_SHELL for word in words)
    return ClientVantage(kind=VantageKind.EXEC, command=words, far_shell=shell)
