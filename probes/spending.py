"""What a run spends on somebody's cluster, counted as it happens; the probe's own, and what its Kafka client tells.

A run's count belongs to its context: tasks have it by themselves, a thread is given it. Nothing is limited here; the
pace of authentications is in :mod:`brokerproof.probes.budget`.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Final

import msgspec

from brokerproof.probes.outcome import Spent


class Used(msgspec.Struct):
    """What Kafka clients have used so far; filled from their logs and by who sends records."""

    connections: int = 0
    authentications: int = 0
    records: int = 0
    record_bytes: int = 0

    def plus(self, other: Used) -> Used:
        """Both together."""
        return Used(
            self.connections + other.connections,
            self.authentications + other.authentications,
            self.records + other.records,
            self.record_bytes + other.record_bytes,
        )


class Spending:
    """The probe's own part of one run. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._connections = 0
        self._authentications = 0
        self._sts_calls = 0

    def note_connection(self) -> None:
        """One SYN more, whatever becomes of it."""
        with self._one_at_a_time:
            self._connections += 1

    def note_authentication(self) -> None:
        """One login more that a broker is asked for."""
        with self._one_at_a_time:
            self._authentications += 1

    def note_sts_call(self) -> None:
        """STS was asked once more who the client is."""
        with self._one_at_a_time:
            self._sts_calls += 1

    def with_clients(self, used: Used) -> Spent:
        """The whole, with what its Kafka clients used."""
        return Spent(
            connections=self._connections + used.connections,
            client_connections=used.connections,
            authentications=self._authentications + used.authentications,
            client_authentications=used.authentications,
            records=used.records,
            record_bytes=used.record_bytes,
            sts_calls=self._sts_calls,
        )


_spending: ContextVar[Spending | None] = ContextVar("spending", default=None)
_NOBODYS: Final = Spending()
"""Of what is measured outside a run."""


def begin_spending() -> Spending:
    """A new run in this context."""
    spending = Spending()
    _spending.set(spending)
    return spending


def current() -> Spending:
    """The run of this context."""
    return _spending.get() or _NOBODYS
