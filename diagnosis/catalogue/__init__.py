"""The catalogue: one entry a cause, by layer."""

from __future__ import annotations

from diagnosis.catalogue.entry import Entry, Layer
from topology.finding_codes import Code

__all__ = ["Code", "Entry", "Layer"]
