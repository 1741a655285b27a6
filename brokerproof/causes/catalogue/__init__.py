"""The catalogue: one entry a cause, by layer, and the fault list it was made from."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue import (
    audit,
    authentication,
    balancing,
    dns,
    host,
    isolation,
    kafka,
    performance,
    route,
    security,
    transport,
    unknown,
)
from brokerproof.causes.catalogue.entry import PLACEHOLDERS, Entry, Layer
from brokerproof.causes.codes import Code

_ENTRIES: Final = (
    *dns.ENTRIES,
    *host.ENTRIES,
    *route.ENTRIES,
    *security.ENTRIES,
    *balancing.ENTRIES,
    *transport.ENTRIES,
    *authentication.ENTRIES,
    *kafka.ENTRIES,
    *performance.ENTRIES,
    *isolation.ENTRIES,
    *audit.ENTRIES,
    *unknown.ENTRIES,
)
CATALOGUE: Final[dict[Code, Entry]] = {code: entry for code in Code for entry in _ENTRIES if entry.code is code}
"""Entry by code, in the order of the codes."""

CODE_OF: Final[dict[str, Code]] = {fact: entry.code for entry in CATALOGUE.values() for fact in entry.facts}
"""Code by the short id of the fault list."""

__all__ = ["CATALOGUE", "CODE_OF", "PLACEHOLDERS", "Code", "Entry", "Layer"]
