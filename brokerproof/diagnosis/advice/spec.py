"""How an advice is declared: its words once, and what looks for it in a case. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from brokerproof.diagnosis.advice.advice import Advice, AdviceCode
from brokerproof.diagnosis.rules.case import Case
from brokerproof.topology.expectation.view import ClientView

_TOLD = 3
"""What was observed several times is told so often, and the rest is counted."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One observation that leads to an advice."""

    view: ClientView
    check_id: str
    """The check whose outcome shows it."""
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceSpec:
    """One kind of advice. All that the clients of a cluster observed of it is told as one advice."""

    code: AdviceCode
    title: str
    """What is met, without its first capital and its final dot."""
    affected: tuple[str, ...]
    because: str
    change: str
    sources: tuple[str, ...]
    look: Callable[[Case], Iterable[Sighting]]
    """Everything that shows it. It reads outcomes that are well: what failed is the business of findings."""

    def of(self, case: Case) -> Advice | None:
        """The advice, where anything shows it."""
        found = sorted(self.look(case), key=lambda seen: (seen.view.client, seen.check_id, seen.observed))
        if not found:
            return None
        clients = tuple(dict.fromkeys(seen.view.client for seen in found))
        return Advice(
            code=self.code,
            title=f"{self.title[0].upper()}{self.title[1:]}.",
            observed=_few(list(dict.fromkeys(seen.observed for seen in found))),
            affected=self.affected,
            because=self.because,
            change=self.change,
            clients=clients,
            evidence=tuple(dict.fromkeys(f"{seen.view.client}/{seen.check_id}" for seen in found)),
            sources=self.sources,
        )


def _few(lines: list[str]) -> str:
    more = f"; and {len(lines) - _TOLD:,} more" if len(lines) > _TOLD else ""
    return "; ".join(lines[:_TOLD]) + more
