"""Settings that only the lab reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from topology.models.base import Model

CROSS_REGION_DELAY_MS: Final = 30.0
"""One way between two Regions where nothing is said: about us-east-1 to us-west-2."""
IN_REGION_DELAY_MS: Final = 0.25
"""One way between two VPCs of a Region where nothing is said."""


class Unserved(StrEnum):
    """What an NLB node answers where it has no listener or no target.

    AWS does not document which, so both count as the expected failure; the lab can do either.
    """

    DROP = "drop"
    RESET = "reset"


class RegionLink(Model):
    """What a packet meets on its way between two VPCs, in either direction, by their Regions (which may be one)."""

    regions: tuple[str, str]
    one_way_delay_ms: float = Field(ge=0, le=10_000, allow_inf_nan=False)
    rate_bits_per_s: int | None = Field(default=None, gt=0)
    """None: as fast as this machine."""
    loss: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    """Share of the packets that is lost, of 1."""

    @property
    def rtt_ms(self) -> float:
        """There and back."""
        return 2 * self.one_way_delay_ms

    @property
    def is_plain(self) -> bool:
        """Whether it does nothing to a packet."""
        return not self.one_way_delay_ms and self.rate_bits_per_s is None and not self.loss


class LabSettings(Model):
    """Settings only the lab reads."""

    unserved: Unserved = Unserved.DROP
    links: tuple[RegionLink, ...] = ()
    """Distances other than the usual ones."""

    def link(self, one: str, other: str) -> RegionLink:
        """What lies between a VPC of one Region and a VPC of the other; either order."""
        for link in self.links:
            if sorted(link.regions) == sorted((one, other)):
                return link
        usual = IN_REGION_DELAY_MS if one == other else CROSS_REGION_DELAY_MS
        return RegionLink(regions=(one, other), one_way_delay_ms=usual)
