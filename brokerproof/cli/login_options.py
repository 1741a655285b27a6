"""The options by which a client logs in, without a topology file: its scheme, and where its credentials are.

They are those of a topology's ``credentials``. A secret itself is taken by none of them: who else is on this host reads
command lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click
from pydantic import ValidationError

from brokerproof.cli.endings import WRONG_USE, Said
from brokerproof.probes.plan import AuthenticationScheme, Endpoint
from brokerproof.running.bootstrap import login_by_convention
from brokerproof.topology.models import Credentials
from brokerproof.topology.models.client import NEEDED_CREDENTIALS, OPTIONAL_CREDENTIALS
from brokerproof.wording import listed

F = TypeVar("F", bound=Callable[..., Any])
_CREDENTIALS: Final = {
    "username": ("REFERENCE", "SCRAM: where the user's name is, there: env:NAME or file:/path."),
    "password": ("REFERENCE", "SCRAM: where the password is, there."),
    "certificate": ("REFERENCE", "mTLS: where the client's certificate is, there (PEM, with its chain)."),
    "key": ("REFERENCE", "mTLS: where its key is, there (PEM)."),
    "key_password": ("REFERENCE", "mTLS: where the key's password is, if it has one."),
    "credentials_file": ("FILE", "IAM: the AWS credentials file there [default: as every AWS SDK]."),
    "profile": ("NAME", "IAM: the AWS profile there [default: likewise]."),
    "role_arn": ("ARN", "IAM: a role to assume with these credentials."),
    "role_session_name": ("NAME", "IAM: what that session is called."),
    "region_name": ("REGION", "IAM: what tokens are signed for [default: the Region in the brokers' names]."),
}
"""By the fields of a topology's ``credentials``."""
_REFERENCES: Final = frozenset(name for name, (kind, _) in _CREDENTIALS.items() if kind == "REFERENCE")
LOGIN_NAMES: Final = {
    "authentication": "--authentication",
    **{name: f"--{name.replace('_', '-')}" for name in _CREDENTIALS},
}
"""The options by the names of their values."""


def login_options(function: F) -> F:
    """Add them to a command."""
    scheme = click.option(
        LOGIN_NAMES["authentication"],
        "authentication",
        type=click.Choice([each.value for each in AuthenticationScheme]),
        help="BOOTSTRAP: how to log in [default: by the credentials given, or by MSK's ports].",
    )
    others = [
        click.option(LOGIN_NAMES[name], name, metavar=metavar, help=words)
        for name, (metavar, words) in _CREDENTIALS.items()
    ]
    for option in reversed([scheme, *others]):
        function = option(function)
    return function


def login_of(
    endpoints: Sequence[Endpoint], *, tls: bool | None, words: Mapping[str, str | None]
) -> tuple[AuthenticationScheme, Credentials]:
    """How a client of these endpoints logs in, and with what.

    Args:
        endpoints: What the bootstrap string names.
        tls: What was said of it; None is nothing.
        words: The values of these options, by their names.

    Raises:
        Said: an option cannot be read, does not belong to the scheme, or is missing.
    """
    credentials = _credentials(words)
    scheme = _scheme(words["authentication"], credentials, endpoints)
    if scheme is not AuthenticationScheme.NONE and tls is False:
        raise Said(f"--plaintext with authentication {scheme}: clients log in over TLS alone; leave one out", WRONG_USE)
    needed, optional = NEEDED_CREDENTIALS[scheme], OPTIONAL_CREDENTIALS[scheme]
    strange = [LOGIN_NAMES[field] for field in credentials.given if field not in (*needed, *optional)]
    if strange:
        has = listed(LOGIN_NAMES[field] for field in (*needed, *optional))
        raise Said(f"authentication {scheme} has no use for {listed(strange)}; it takes {has}", WRONG_USE)
    missing = [LOGIN_NAMES[field] for field in needed if field not in credentials.given]
    if missing:
        raise Said(
            f"authentication {scheme} needs {listed(missing)}, each as env:NAME or file:/path of the host that is "
            f"probed from; --authentication none looks at the path without logging in",
            WRONG_USE,
        )
    return scheme, credentials


def _credentials(words: Mapping[str, str | None]) -> Credentials:
    given = {name: words[name] for name in _CREDENTIALS if words[name] is not None}
    try:
        return Credentials.model_validate(given)
    except ValidationError as wrong:
        field, why = str(wrong.errors()[0]["loc"][0]), wrong.errors()[0]["msg"].removeprefix("Value error, ")
    if field in _REFERENCES:
        # The word may be the secret: it is not repeated.
        raise Said(
            f"{LOGIN_NAMES[field]} takes where it is, as env:NAME or file:/path of the host that is probed from, and "
            "never what it is: command lines are read by everybody on a host",
            WRONG_USE,
        )
    raise Said(f"{LOGIN_NAMES[field]} {given[field]!r}: {why}", WRONG_USE)


def _scheme(said: str | None, credentials: Credentials, endpoints: Sequence[Endpoint]) -> AuthenticationScheme:
    """The one that was said; else the one whose credentials were given; else the one of MSK's ports."""
    if said is not None:
        return AuthenticationScheme(said)
    for scheme in AuthenticationScheme:
        if set(credentials.given) & {*NEEDED_CREDENTIALS[scheme], *OPTIONAL_CREDENTIALS[scheme]}:
            return scheme
    return login_by_convention(endpoints) or AuthenticationScheme.NONE
