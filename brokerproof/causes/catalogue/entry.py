"""What an entry of the catalogue is. No entries live here."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece
from brokerproof.topology.patterns import PatternName


class Layer(StrEnum):
    """What a cause is of; the word before the dot of its code."""

    DNS = "dns"
    HOST = "host"
    ROUTE = "route"
    SECURITY = "security"
    ENDPOINT = "endpoint"
    CONNECTION = "connection"
    NLB = "nlb"
    TCP = "tcp"
    TLS = "tls"
    AUTH = "auth"
    METADATA = "metadata"
    PRODUCE = "produce"
    CONSUME = "consume"
    LISTENER = "listener"
    TRANSIENT = "transient"
    CLUSTER = "cluster"
    PERFORMANCE = "performance"
    ISOLATION = "isolation"
    AUDIT = "audit"
    UNKNOWN = "unknown"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cause: what proves it, what it looks like, what to change.

    ``remedy`` is one sentence that names the AWS resource; its placeholders are those of
    :data:`PLACEHOLDERS`.
    """

    code: Code
    sits: Piece
    """The kind of piece that is to be changed, or looked at first."""
    title: str
    """What is wrong, a sentence without the full stop."""
    of_several: str = ""
    """The title where several brokers have it, and the title would not read so."""
    patterns: tuple[PatternName, ...]
    """The patterns it can occur in."""
    evidence: str
    """What a client sees that proves it, or leaves it among few."""
    confused_with: tuple[tuple[Code, str], ...] = ()
    """Another cause that looks alike, and what separates the two."""
    remedy: str
    call: str = ""
    """The AWS call, or the console page, that shows or changes it."""
    sources: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    """The short ids of the fault list this code stands for."""
    visible: bool = True
    """False where no run of a client shows it; then ``seen_by`` says what does."""
    seen_by: str = ""

    @property
    def layer(self) -> Layer:
        """What it is of."""
        return Layer(self.code.layer)


PLACEHOLDERS = frozenset({"name", "vpc", "address", "port", "broker", "brokers", "cluster", "client", "region"})
"""What a remedy may name. Each is filled from the red checks and the view; several values are a list in words."""
