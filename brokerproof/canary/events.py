"""What the canary has to say, as values: a line of JSON each for whatever wants to follow it."""

from __future__ import annotations

from typing import Final

from brokerproof.canary.rounds import Depth
from brokerproof.canary.state import Reading, State
from brokerproof.canary.watched import Watched
from brokerproof.diagnosis.finding import Finding
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json

LONGEST: Final = 500
"""Characters of a remedy that travel with an alert; the report has all of them."""


class Found(Value, frozen=True, kw_only=True):
    """A finding as an alert tells it."""

    codes: tuple[str, ...]
    wrong: str
    change: str
    observed: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def known_as(self) -> str:
        """Its code, or all of a set: one word for labels."""
        return "|".join(self.codes)


def found_of(finding: Finding) -> Found:
    """A finding, shortened."""
    return Found(
        codes=tuple(code.value for code in finding.codes),
        wrong=_short(finding.wrong),
        change=_short(finding.change or finding.next_step),
        observed=_short(finding.observed),
        evidence=finding.evidence,
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


class RoundEnded(Value, frozen=True, kw_only=True, tag="round", tag_field="event"):
    """A round of one client is over. Times are Unix seconds."""

    client: str
    depth: Depth
    began: float
    ended: float
    readings: dict[Reading, int]
    """How many watched things were read as what."""
    trouble: str = ""
    """What went wrong with the vantage or the probe."""


class StateChanged(Value, frozen=True, kw_only=True, tag="state", tag_field="event"):
    """A watched thing is something else than before."""

    at: float
    watched: Watched
    before: State
    after: State
    found: Found | None = None
    """What is named of it: the cause and its remedy; None where nothing is."""


class HoldChanged(Value, frozen=True, kw_only=True, tag="hold", tag_field="event"):
    """Somebody holds alerts, or no longer does."""

    at: float
    client: str
    broker: str
    until: float
    who: str
    why: str
    began: bool


Event = RoundEnded | StateChanged | HoldChanged


def encode_event(event: Event) -> bytes:
    """One JSON line, newline included."""
    return encode_json(event) + b"\n"
