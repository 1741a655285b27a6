"""Clients of which nobody says by which pattern they come: a file's alone, since the lab knows what it builds.

What their names lead to is taken as it is; that each broker answers there, as itself, both ways, is proved as ever.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import MeasuredContract
from brokerproof.topology.patterns import PatternName

PATTERN = PatternName.UNKNOWN


class TestClients(MeasuredContract):
    """Clients of which only the names they use are known."""
