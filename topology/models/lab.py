"""Settings that only the lab reads."""

from __future__ import annotations

from enum import StrEnum

from topology.models.base import Model


class Unserved(StrEnum):
    """What an NLB node answers where it has no listener or no target.

    AWS does not document which, so both count as the expected failure; the lab can do either.
    """

    DROP = "drop"
    RESET = "reset"


class LabSettings(Model):
    """Settings only the lab reads."""

    unserved: Unserved = Unserved.DROP
