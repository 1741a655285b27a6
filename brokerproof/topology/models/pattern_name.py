"""The names of the patterns: the closed list. What a pattern is, is declared in ``brokerproof.topology.patterns``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError


class PatternName(StrEnum):
    """A way to reach a cluster from other VPCs."""

    IN_VPC = "in_vpc"
    PEERING = "peering"
    TRANSIT_GATEWAY = "transit_gateway"
    PRIVATELINK_SINGLE_NLB = "privatelink_single_nlb"
    PRIVATELINK_MULTI_NLB = "privatelink_multi_nlb"
    PRIVATELINK_CROSS_REGION = "privatelink_cross_region"
    MULTI_VPC = "multi_vpc"
    LOCAL_WITHOUT_ZONE = "local_without_zone"
    """A client in the cluster VPC behind one NLB, without the private zone: what must then fail is its pattern."""
    UNKNOWN = "unknown"
    """Nobody says by which: its names lead somewhere, and what answers there is what can be judged."""
    COMBINATION = "combination"
    """Several patterns on one cluster; its clients carry the names of their own."""
    OBSERVER = "observer"
    """How reports call a client without a pattern, which only proves what must not be reachable."""

    @property
    def is_of_clients(self) -> bool:
        """Whether a client may be meant to use it."""
        return self not in {PatternName.COMBINATION, PatternName.OBSERVER}


CLIENT_PATTERNS = tuple(name for name in PatternName if name.is_of_clients)


def _of_a_client(value: object) -> object:
    if value is None or value in CLIENT_PATTERNS:
        return value
    raise PydanticCustomError("pattern", f"expected one of {', '.join(CLIENT_PATTERNS)}, or none for an observer")


ClientPattern = Annotated[
    PatternName,
    BeforeValidator(_of_a_client),
    WithJsonSchema({"enum": [str(name) for name in CLIENT_PATTERNS], "type": "string"}),
]
"""A pattern that a client may be meant to use."""
