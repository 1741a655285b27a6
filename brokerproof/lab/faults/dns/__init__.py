"""Faults of names: of private hosted zones, and of the resolver that a client asks."""

from __future__ import annotations

from typing import Final

from brokerproof.lab.faults.dns import resolver, zones

FAULTS: Final = (*zones.FAULTS, *resolver.FAULTS)
