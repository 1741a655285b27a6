"""Statements of the table of patterns, and those that documents make.

What documents say of a pattern is in its own declaration.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import spec_of
from brokerproof.topology.patterns.facts import Row


class Basis(StrEnum):
    """Where a cell's statement comes from."""

    MEASURED = "measured"
    DERIVED = "derived"
    """From the topology, by counting."""
    DOCUMENTED = "documented"


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One statement of a cell; ``source`` names the run, the topology, or the document.

    Raises:
        ValueError: without a source it is an opinion.
    """

    text: str
    basis: Basis
    source: str

    def __post_init__(self) -> None:
        if not self.text or not self.source:
            raise ValueError("a statement says something, and where it comes from")


def documented(pattern: PatternName, row: Row) -> tuple[Statement, ...]:
    """What documents say of a pattern; empty where nothing is known."""
    facts = spec_of(pattern).facts.get(row, ())
    return tuple(Statement(text=text, basis=Basis.DOCUMENTED, source=source) for text, source in facts)
