"""The options by which a bootstrap string is reached: the same of every command that takes one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, Final, TypeVar

import click

from brokerproof.cli.endings import WRONG_USE, Said
from brokerproof.cli.login_options import LOGIN_NAMES, login_of, login_options
from brokerproof.running.bootstrap import Wanted, looks_like, parse
from brokerproof.topology.models import ClientVantage, VantageKind

F = TypeVar("F", bound=Callable[..., Any])
_TO_A_SHELL: Final = frozenset({"ssh", "autossh", "plink"})
_EXAMPLE: Final = "--from 'ssh host --' or --from ssh:host"
_OF_A_FILE: Final = "@"
_MOST_BYTES: Final = 1 << 16
_IN_A_FILE: Final = "HOST:PORT, several with commas between them or on lines of their own, and comments behind #"
NAMES: Final = {
    "tls": "--tls",
    "ca_file": "--ca",
    "existing_topic": "--existing-topic",
    "prefix": "--from",
    **LOGIN_NAMES,
}
"""The options by the names of their values."""


def bootstrap_options(function: F) -> F:
    """Add them to a command."""
    function = login_options(function)
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
                "--from",
                "prefix",
                metavar="PREFIX",
                help="BOOTSTRAP: from there: ssh:HOST, ssm:INSTANCE, or a command prefix.",
            ),
        )
    ):
        function = option(function)
    return function


def is_bootstrap(word: str) -> bool:
    """Whether a word is meant as a bootstrap string, or as a file of one (``@FILE``)."""
    return word.startswith(_OF_A_FILE) or (looks_like(word) and not Path(word).is_file())


def bootstrap_string(word: str) -> str:
    """The bootstrap string itself: of ``@FILE`` what the file has, its lines joined and its comments (``#``) left out.

    Raises:
        Said: the file cannot be read, or has none.
    """
    if not word.startswith(_OF_A_FILE):
        return word
    path = Path(word.removeprefix(_OF_A_FILE))
    try:
        with path.open("rb") as opened:
            text = opened.read(_MOST_BYTES + 1).decode()
    except OSError as error:
        raise Said(f"{word}: {path} cannot be read: {error.strerror or error}", WRONG_USE) from None
    except UnicodeDecodeError:
        raise Said(f"{word}: {path} is not text (UTF-8); expected {_IN_A_FILE}", WRONG_USE) from None
    if len(text) > _MOST_BYTES:
        raise Said(f"{word}: {path} has more than {_MOST_BYTES:,} bytes; expected {_IN_A_FILE}", WRONG_USE)
    lines = (line.partition("#")[0].strip().strip(",") for line in text.splitlines())
    found = ",".join(line for line in lines if line)
    if not found:
        raise Said(f"{word}: {path} names no broker; expected {_IN_A_FILE}", WRONG_USE)
    if not looks_like(found):
        raise Said(f"{word}: {path} has no bootstrap string; expected {_IN_A_FILE}", WRONG_USE)
    return found


def wanted_of(
    bootstrap: str,
    name: str,
    *,
    tls: bool | None,
    ca_file: str | None,
    existing_topic: str | None,
    prefix: str | None,
    **login: str | None,
) -> Wanted:
    """What the options say of a bootstrap string.

    Raises:
        BootstrapError: it is none.
        Said: an option cannot be read.
    """
    endpoints = parse(bootstrap_string(bootstrap))
    scheme, credentials = login_of(endpoints, tls=tls, words=login)
    return Wanted(
        endpoints=endpoints,
        tls=tls,
        ca_file=ca_file,
        existing_topic=existing_topic,
        authentication=scheme,
        credentials=credentials,
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


def _by_ssm(text: str) -> ClientVantage:
    match = re.fullmatch(r"ssm:(m?i-[A-Za-z0-9]+)(?:@([a-z0-9-]+))?(?:/([a-z0-9.-]+))?", text)
    try:
        if match is not None:
            kind = VantageKind.SSM
            return ClientVantage(kind=kind, instance_id=match[1], region_name=match[2], bucket=match[3])
    except ValueError:
        pass
    raise Said(f"--from {text!r}: expected ssm:INSTANCE[@REGION][/BUCKET], as in --from ssm:i-0abc1234", WRONG_USE)


def vantage_of(prefix: str | None) -> ClientVantage:
    """The vantage of ``ssh:HOST``, ``ssm:INSTANCE`` or a command prefix; without one, this machine.

    Raises:
        Said: it is no command.
    """
    if prefix is None:
        return ClientVantage(kind=VantageKind.LOCAL)
    if prefix.startswith("ssh:"):
        return _by_ssh(prefix)
    if prefix.startswith("ssm:"):
        return _by_ssm(prefix)
    try:
        words = tuple(shlex.split(prefix))
    except ValueError as wrong:
        raise Said(f"--from {prefix!r}: {wrong}; give a command prefix, as in {_EXAMPLE}", WRONG_USE) from None
    if not words:
        raise Said(f"--from is empty; give a command prefix, as in {_EXAMPLE}", WRONG_USE)
    shell = any(PurePath(word).name in _TO_A_SHELL for word in words)
    return ClientVantage(kind=VantageKind.EXEC, command=words, far_shell=shell)
