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


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One thing a client must see.

    ``check_id`` is stable and unique within a client: words, never an index or an address.
    ``subject`` is ``broker-N``, ``bootstrap`` or ``cluster``.
    """

    check_id: str
    client: str
    stage: Stage
    subject: str
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
