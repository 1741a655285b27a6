"""Faults of route tables, peering connections and transit gateways."""

from __future__ import annotations

from typing import Final

from brokerproof.lab.faults.route import gateways, tables

FAULTS: Final = (
    *tables.FAULTS,
    *gateways.FAULTS,
)
