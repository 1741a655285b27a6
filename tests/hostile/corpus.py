"""The inputs that once failed, by class and seed; each is replayed by the tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("corpus.json")


class Found(NamedTuple):
    """One input, and what was wrong when it was found."""

    name: str
    seed: int
    problems: list[str]


def read() -> list[Found]:
    return [Found(*each) for each in json.loads(FILE.read_text())] if FILE.exists() else []


def keep(found: Iterable[Found]) -> None:
    """Add what is new."""
    known = read()
    there = {(each.name, each.seed) for each in known}
    known += [each for each in found if (each.name, each.seed) not in there]
    FILE.write_text(json.dumps(known, indent=1) + "\n")
