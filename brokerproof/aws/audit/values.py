"""An audit, as values: hops, traces of one client and broker in both directions, and findings. No logic."""

from __future__ import annotations

from enum import StrEnum

from brokerproof.causes.codes import Code
from brokerproof.probes.outcome.base import Value


class State(StrEnum):
    """What is known of one hop."""

    OPEN = "open"
    CLOSED = "closed"
    DOUBTFUL = "doubtful"
    """It leads to what the account does not show, such as somebody's own nameserver."""
    UNKNOWN = "unknown"
    """It was not allowed to be read."""


class Hop(Value, frozen=True, kw_only=True):
    """One step of a path, and the fact it rests on."""

    what: str
    """The resource, such as ``route table rtb-b``."""
    says: str
    """What it says of this path, in words."""
    state: State = State.OPEN
    code: Code | None = None
    """Of a closed or doubtful one: the cause."""
    resource: str = ""
    """Its id; of an unknown one the IAM action that is missing."""
    source: str = ""
    """The call that told."""


class Trace(Value, frozen=True, kw_only=True):
    """The way of one client to one broker, there and back."""

    client: str
    broker_id: int | None
    """None: to the bootstrap listener."""
    name: str
    port: int
    hops: tuple[Hop, ...]

    @property
    def state(self) -> State:
        """Closed where any hop is, else unknown or doubtful where any is."""
        states = {hop.state for hop in self.hops}
        for worst in (State.CLOSED, State.UNKNOWN, State.DOUBTFUL):
            if worst in states:
                return worst
        return State.OPEN


class AuditFinding(Value, frozen=True, kw_only=True):
    """One cause that the configuration shows, and whom it concerns."""

    code: Code
    state: State
    wrong: str
    says: tuple[str, ...]
    """What the resources say."""
    change: str
    clients: tuple[str, ...]
    broker_ids: tuple[int, ...] = ()
    resources: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def sure(self) -> bool:
        """Whether the configuration proves it."""
        return self.state is State.CLOSED


class PermissionGap(Value, frozen=True, kw_only=True):
    """A read that was not answered, and what is unknown for it."""

    action: str
    account_id: str
    region_name: str
    why: str
    unknown: tuple[str, ...]


class NoteKind(StrEnum):
    """What a note is about."""

    QUOTA = "quota"
    OVERLAP = "overlap"
    EXPIRING = "expiring"
    DRIFT = "drift"


class Note(Value, frozen=True, kw_only=True):
    """What no path fails for now, and is worth knowing: no cause, and no part of a verdict."""

    kind: NoteKind
    what: str
    """The resource, or resources."""
    says: str
    change: str


class Audit(Value, frozen=True, kw_only=True):
    """Everything that the configuration proves of a topology's clients."""

    findings: tuple[AuditFinding, ...] = ()
    traces: tuple[Trace, ...] = ()
    gaps: tuple[PermissionGap, ...] = ()
    notes: tuple[Note, ...] = ()
