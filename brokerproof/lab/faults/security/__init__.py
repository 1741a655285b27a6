"""Faults of security groups and network ACLs."""

from __future__ import annotations

from typing import Final

from brokerproof.lab.faults.security import acls, groups

FAULTS: Final = (
    *groups.FAULTS,
    *acls.FAULTS,
)
