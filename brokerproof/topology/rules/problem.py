"""One thing wrong with a topology, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a topology: where, and what."""

    path: Path
    message: str
    follows: tuple[Path, ...] = ()
    """Where a problem, at these fields or below, would be this one's cause."""

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}"


def dotted(path: Path) -> str:
    """``("vpcs", 0, "vpc_id")`` as ``vpcs[0].vpc_id``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(top level)"


def causes(found: Sequence[Problem]) -> tuple[Problem, ...]:
    """The problems that follow from no other; all of them, where each follows from another."""

    def follows(problem: Problem) -> bool:
        others = [other.path for other in found if other is not problem]
        return any(path[: len(start)] == start for start in problem.follows for path in others)

    return tuple(problem for problem in found if not follows(problem)) or tuple(found)
