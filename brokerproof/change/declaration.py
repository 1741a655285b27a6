"""What a change may alter: a YAML file that whoever makes the change writes beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from brokerproof.change.facts import FactKind
from brokerproof.errors import WrongUseError
from brokerproof.topology.documents import read_as, read_text

ALL: Final = "all"
LONGEST_PAUSE_MS: Final = 3000


class DeclarationError(WrongUseError):
    """The declaration is wrong; the message names the place."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interruption(_Model):
    """What clients that live through the change may notice."""

    outage_ms: Annotated[float, Field(ge=0)] = 0
    """The longest that a leader may be cut off: acknowledgements pause, and segments are sent again."""
    pause_ms: Annotated[float, Field(ge=0)] = LONGEST_PAUSE_MS
    """The longest that acknowledgements may pause while the path carries packets."""
    failed_connections: Annotated[int, Field(ge=0)] = 0
    """Fresh connections, at any one address, that may fail."""
    connections_end: bool = False
    """Whether connections that stood before may be ended."""
    failed_records: Annotated[int, Field(ge=0)] = 0
    rebalances: Annotated[int, Field(ge=0)] | None = None
    """None: any number."""
    duplicates: bool = False


class LatencyMargin(_Model):
    """How much slower medians may be, as a share; both times of one kind must have been measured."""

    margin: Annotated[float, Field(gt=0, le=100)]
    beside: dict[str, str] = Field(default_factory=dict)
    """A client of the change, and one that goes the old way afterwards: they are timed in turns."""


class Declaration(_Model):
    """A change, and what it may alter. ``may_differ`` names facts, each with the subjects that may, or ``all``."""

    change: str = ""
    may_differ: dict[FactKind, str | tuple[str, ...]] = Field(default_factory=dict)
    interruption: Interruption = Interruption()
    latency: LatencyMargin | None = None

    def allows(self, kind: FactKind, subject: str) -> bool:
        """Whether this fact of this subject may differ."""
        allowed = self.may_differ.get(kind, ())
        if isinstance(allowed, str):
            return allowed in {ALL, subject}
        return any(subject == each or subject.startswith(f"{each} ") for each in allowed)


NOTHING: Final = Declaration()
"""A change that nobody must notice."""


def load_declaration(path: Path) -> Declaration:
    """The declaration of a file.

    Raises:
        DeclarationError: it cannot be read, or is wrong.
    """
    text = read_text(path, DeclarationError)
    if not text.strip():
        return NOTHING
    expected = "a declaration is a mapping of what a change may alter"
    return read_as(Declaration, text, str(path), error_type=DeclarationError, expected=expected, problems=lambda _: ())
