"""What a proof is made of: one trial a case, as values that travel to disk and back.

Codes are plain words here and not the catalogue's enum, so that a proof can still be read after the
catalogue has changed. Nothing here runs or counts.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from brokerproof.probes.outcome.base import Value
from brokerproof.reports.document import Host
from brokerproof.running.planning import VERDICT_MS

UtcTime = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class TrialKind(StrEnum):
    """What is put into the lab: one fault, several at once, one that a public report tells of, none."""

    SINGLE = "single"
    TOGETHER = "together"
    FIELD = "field"
    """One fault, made after a public report and not because somebody thought of it."""
    CLEAN = "clean"
    BUSY = "busy"
    """Nothing wrong, on a machine whose processors and disk are at work."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is put in, so that every finding is a false alarm."""
        return self in {TrialKind.CLEAN, TrialKind.BUSY}


class Which(StrEnum):
    """Whose evidence a trial has: that of every client, or only of the client a fault is about."""

    ALL = "all"
    AFFLICTED = "afflicted"


class Selection(Value, frozen=True, kw_only=True):
    """What to prove; an empty tuple chooses everything. The same selection gives the same cases."""

    patterns: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    singles: bool = True
    """Each fault alone, in every pattern it applies to; those made after a public report are a kind of their own."""
    clean: Count = 0
    """Runs of labs that nothing is wrong with, over all patterns in turn."""
    busy: Count = 0
    """The same while the machine is kept busy (:mod:`brokerproof.accuracy.busy`)."""
    together: Count = 0
    """The most faults at once, two or more; 0 for no combinations."""
    draws: Count = 0
    seed: int = 1
    clients: Which = Which.ALL
    verdict_ms: Count = VERDICT_MS
    """Within which silence must have become a verdict."""
    aws: bool = False
    """The account is a second witness."""


class Injected(Value, frozen=True, kw_only=True):
    """One fault of a trial, and what the diagnosis may name.

    ``cause`` is what is really broken; ``codes`` are the cause and those that no client can tell from
    it, in one pattern or another.

    Raises:
        ValueError: the cause is not among the codes.
    """

    fault: str
    layer: str
    cause: str
    codes: tuple[str, ...]
    advice: bool = False
    """It is no cause but an advice: the path is right with it, and some clients fail."""

    def __post_init__(self) -> None:
        if self.cause not in self.codes:
            raise ValueError(f"fault {self.fault}: {self.cause} is not among its own codes")


class Named(Value, frozen=True, kw_only=True):
    """One finding as the diagnosis gave it: one code, or the set it could not tell apart."""

    codes: tuple[str, ...]
    stage: str
    clients: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.codes:
            raise ValueError("a finding has no code")


class ClientTime(Value, frozen=True, kw_only=True):
    """How long one client's verification took, from the probe's first line to its last."""

    client: str
    took_ms: Count
    deadline_ms: Annotated[int, msgspec.Meta(gt=0)]
    complete: bool = True

    @property
    def overrun(self) -> float:
        """The share of its deadline by which it was exceeded; 0 where it was kept."""
        return max(0.0, self.took_ms / self.deadline_ms - 1)


class Trial(Value, frozen=True, kw_only=True):
    """One case, carried out.

    ``problem`` says why it could not be: then there is no evidence, and it counts as neither right
    nor wrong. ``not_undone`` says what was still wrong after the fault was taken out again.

    Raises:
        ValueError: a clean trial has faults, another has none, or a hidden fault is not one of them.
    """

    case_id: str
    kind: TrialKind
    pattern: str
    injected: tuple[Injected, ...] = ()
    answer: str = ""
    named: tuple[Named, ...] = ()
    advised: tuple[str, ...] = ()
    """The codes of the advices beside the findings, which are no alarm."""
    hidden: tuple[str, ...] = ()
    """Faults without which no client saw anything else that lasts: nothing could have named them."""
    clients: tuple[ClientTime, ...] = ()
    verdict_ms: Count | None = None
    """From a client's first packet until everything the findings rest on had been observed; to the end without any."""
    load: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Processes of this machine that ran or waited to, over the last minute (getloadavg(3))."""
    problem: str = ""
    not_undone: str = ""

    def __post_init__(self) -> None:
        if self.kind.is_clean == bool(self.injected):
            raise ValueError(f"{self.case_id}: a trial has no fault exactly when it is clean")
        if not set(self.hidden) <= {cause.fault for cause in self.injected}:
            raise ValueError(f"{self.case_id}: what is hidden is not what was injected")


class Header(Value, frozen=True, kw_only=True):
    """What a proof is of, known before its first trial."""

    started: UtcTime
    version: str
    """Of brokerproof."""
    host: Host
    selection: Selection
    cases: Count
    digest: str
    """SHA-256 of the cases with what each must be diagnosed as; other cases are another proof."""
    rules: str = ""
    """SHA-256 of the sources of the rules (:mod:`brokerproof.accuracy.rules`); empty where it was not kept."""
    diagnosed_again: bool = False
    """The evidence was kept, and what is said of it is by rules or expectations that are younger than the trials."""
