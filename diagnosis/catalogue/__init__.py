"""The catalogue: one entry a cause, by layer, and the fault list it was made from."""

from __future__ import annotations

from typing import Final

from diagnosis.catalogue import balancing, dns, kafka, rest, route, security, transport
from diagnosis.catalogue.entry import PLACEHOLDERS, Entry, Layer
from topology.finding_codes import Code

_ENTRIES: Final = (
    *dns.ENTRIES,
    *route.ENTRIES,
    *security.ENTRIES,
    *balancing.ENTRIES,
    *transport.ENTRIES,
    *kafka.ENTRIES,
    *rest.ENTRIES,
)
CATALOGUE: Final[dict[Code, Entry]] = {code: entry for code in Code for entry in _ENTRIES if entry.code is code}
"""Entry by code, in the order of the codes."""

CODE_OF: Final[dict[str, Code]] = {fact: entry.code for entry in CATALOGUE.values() for fact in entry.facts}
"""Code by the short id of the fault list."""

__all__ = ["CATALOGUE", "CODE_OF", "PLACEHOLDERS", "Code", "Entry", "Layer"]
