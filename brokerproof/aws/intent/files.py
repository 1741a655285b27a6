"""Intents on disk, with the errors of topology files. The only module of this room that does I/O."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from brokerproof.aws.intent.models import Intent, account_of
from brokerproof.errors import WrongUseError
from brokerproof.topology.documents import parse, read_as, read_text, written
from brokerproof.topology.rules.problem import Problem

_EXPECTED: Final = "an intent is a mapping with version, clusters, accounts and clients"


class IntentError(WrongUseError):
    """An intent that cannot be used. The text has one line a problem: file, line, path, what was expected."""


def load_intent(path: Path) -> Intent:
    """Read and check an intent file.

    Raises:
        IntentError: the file cannot be read, is not YAML, or says what cannot be; every problem found is listed.
    """
    return loads_intent(read_text(path, IntentError), source=str(path))


def loads_intent(text: str, *, source: str) -> Intent:
    """As :func:`load_intent`, from text; ``source`` is what errors call it."""
    return read_as(Intent, text, source, error_type=IntentError, expected=_EXPECTED, problems=_problems)


def dumps_intent(intent: Intent) -> str:
    """YAML that :func:`loads_intent` reads back to an equal intent; defaults are left out."""
    return written(intent.version, intent, flow=None)


def _problems(intent: Intent) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for i, client in enumerate(intent.clients):
        if client.name in names:
            yield Problem(("clients", i, "name"), f"{client.name!r} is already clients[{names[client.name]}]")
        names.setdefault(client.name, i)
        if client.cluster is not None and client.cluster not in intent.clusters:
            yield Problem(("clients", i, "cluster"), f"is none of clusters, which are {', '.join(intent.clusters)}")
    accounts: dict[str, int] = {}
    for i, account in enumerate(intent.accounts):
        if account.id in accounts:
            yield Problem(("accounts", i, "id"), f"{account.id} is already accounts[{accounts[account.id]}]")
        accounts.setdefault(account.id, i)
        if account.external_id is not None and account.role_arn is None:
            yield Problem(("accounts", i, "external_id"), "belongs to a role; give role_arn too")
        if account.role_arn is not None and account_of(account.role_arn) != account.id:
            yield Problem(
                ("accounts", i, "role_arn"),
                f"is a role of {account_of(account.role_arn)}, and the account is {account.id}",
            )


def is_intent(path: Path) -> bool:
    """Whether a file says which clusters to discover by ARN, as an intent does and a topology does not."""
    try:
        document = parse(read_text(path, IntentError), str(path), error_type=IntentError, expected=_EXPECTED)
    except IntentError:
        return False
    clusters = document.get("clusters")
    return isinstance(clusters, list) and bool(clusters) and all(isinstance(arn, str) for arn in clusters)
