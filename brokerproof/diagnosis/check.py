"""A check: one thing a client must see, with its verdict."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.expectation.view import Barrier


class Verdict(StrEnum):
    """``blocked`` is not a failure: an earlier check it depends on failed and carries the cause."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"
    ERROR = "error"
    """The probe or its vantage failed; nothing is known about the path."""
    NOT_SEEN = "not_seen"
    """Planned, but the run ended before it was probed."""
    NOT_COVERED = "not_covered"
    """Nothing is wrong, and what was asked for cannot show it; ``observed`` says why."""


class Subject(StrEnum):
    """What a check is about."""

    BROKER = "broker"
    """The broker that ``broker_id`` names."""
    BOOTSTRAP = "bootstrap"
    CLUSTER = "cluster"
    """The cluster as a whole, and what lies beside the path to it."""


class Assertion(StrEnum):
    """What a check says must hold."""

    STAGE_PASSES = "stage_passes"
    """The stage passes at the subject."""
    ADVERTISED = "advertised"
    """Metadata advertises the broker where this client reaches it."""
    ONE_CLUSTER = "one_cluster"
    """Every answer is from one cluster, and metadata lists no broker that the topology does not have."""
    SAME_BROKERS = "same_brokers"
    """All brokers list the same brokers, as far as those answer."""
    SOURCE = "source"
    """The far end sees the client at the address that the path gives it."""
    DEAD_ADDRESS = "dead_address"
    """An address the name resolves to, and that must not connect, does not."""
    FORBIDDEN = "forbidden"
    """An address and port beside the path does not accept a connection."""
    NAME_NOT_HIDDEN = "name_not_hidden"
    """No private hosted zone hides a name that is not the cluster's."""


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One thing a client must see.

    ``check_id`` is stable and unique within a client: words, never an index or an address. It is for people and
    links; what is decided, is decided by ``asserts``, ``stage`` and ``subject``.

    Raises:
        ValueError: when the subject is a broker and ``broker_id`` does not say which.
    """

    check_id: str
    client: str
    stage: Stage
    subject: Subject
    asserts: Assertion = Assertion.STAGE_PASSES
    verdict: Verdict
    title: str
    """What must hold, one sentence."""
    observed: str = ""
    observed_addresses: tuple[str, ...] = ()
    """What the name resolved to, where that is what is wrong."""
    expected: str = ""
    change: str = ""
    """What to change, where one resource is plainly responsible; empty otherwise."""
    reason: Reason | None = None
    name: str = ""
    address: str = ""
    port: int = 0
    broker_id: int | None = None
    barrier: Barrier | None = None
    """Of something that must not connect: what is in the way."""
    isolation: bool = False
    """True for a check that something must *not* work."""
    blocked_by: str = ""
    """``check_id`` of the check that carries the cause."""
    duration_ns: int = 0

    def __post_init__(self) -> None:
        if self.subject is Subject.BROKER and self.broker_id is None:
            raise ValueError(f"check {self.check_id} is about a broker; broker_id must say which")

    @property
    def place(self) -> tuple[str, str, int]:
        """Name, address and port; the same as of the targets it is judged by."""
        return self.name.lower(), self.address, self.port

    @property
    def label(self) -> str:
        """The subject as people read it: ``broker-N``, ``bootstrap`` or ``cluster``."""
        return f"broker-{self.broker_id}" if self.subject is Subject.BROKER else self.subject.value
