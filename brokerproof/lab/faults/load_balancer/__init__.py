"""Faults of endpoints, listeners and targets."""

from __future__ import annotations

from typing import Final

from brokerproof.lab.faults.load_balancer import balancers, endpoints

FAULTS: Final = (
    *endpoints.FAULTS,
    *balancers.FAULTS,
)
