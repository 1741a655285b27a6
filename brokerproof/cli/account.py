"""What commands that read accounts share: facts of an intent or a topology file, with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from brokerproof.aws.facts import AccountFacts, facts_of
from brokerproof.aws.intent.files import is_intent
from brokerproof.running.account import is_arn, read_account, read_recording
from brokerproof.topology.files import load


def facts_from(path: Path, *, record: Path | None = None) -> AccountFacts:
    """The facts behind a file: of the account where it is an intent or a cluster's ARN, else the topology's word."""
    if not is_arn(str(path)) and not is_intent(path):
        return facts_of(load(path))
    with _progress() as progress:
        return read_account(path, progress, record=record)


def facts_recorded(folder: Path) -> AccountFacts:
    """The facts of a recording."""
    with _progress() as progress:
        return read_recording(folder, progress)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    console = Console(stderr=True, highlight=False)
    with console.status("reading") as status:

        def progress(text: str) -> None:
            console.print(f"  {text}")
            status.update(text)

        yield progress
