"""The options by which a bootstrap string is reached: the same of every command that takes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click

from brokerproof.cli.endings import WRONG_USE, Said
from brokerproof.cli.from_option import FROM_HELP, vantage_of
from brokerproof.cli.login_options import LOGIN_NAMES, login_of, login_options
from brokerproof.running.bootstrap import Wanted, looks_like, parse
from brokerproof.topology.models.client import AskedPermission

F = TypeVar("F", bound=Callable[..., Any])
_OF_A_FILE: Final = "@"
_MOST_BYTES: Final = 1 << 16
_IN_A_FILE: Final = "HOST:PORT, several with commas between them or on lines of their own, and comments behind #"
NAMES: Final = {
    "tls": "--tls",
    "ca_file": "--ca",
    "existing_topic": "--existing-topic",
    "may_lack": "--may-lack",
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
                "--may-lack",
                "may_lack",
                type=click.Choice(get_args(AskedPermission)),
                multiple=True,
                callback=lambda _context, _option, values: values or None,
                help="BOOTSTRAP: what the client does without, of what every client is asked to be allowed; may be "
                "given again.",
            ),
            click.option("--from", "prefix", metavar="PLACE", help=f"BOOTSTRAP: from there: {FROM_HELP}."),
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
    may_lack: tuple[AskedPermission, ...] | None,
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
        may_lack=may_lack or (),
        authentication=scheme,
        credentials=credentials,
        vantage=vantage_of(prefix),
        name=name,
    )
