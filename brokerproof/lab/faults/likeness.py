"""What a fault may be taken for: causes that one client or another cannot tell from it, by where it shows. Pure.

Put together from :mod:`brokerproof.causes.sets`; which of these are said in a pattern is the diagnosis's.
"""

from __future__ import annotations

from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import CodeSet

BY_PEERING: Final[CodeSet] = sets.BACK_AND_IN | sets.BY_PEERING | sets.ONE_VPC
"""Every broker is silent to clients that come by peering."""
BY_GATEWAY: Final[CodeSet] = sets.BACK_AND_IN | sets.BY_GATEWAY | sets.BETWEEN_GATEWAYS | sets.ONE_VPC
"""The same by a transit gateway."""
BEHIND: Final[CodeSet] = (
    sets.AT_THE_NLB | sets.AT_THE_ENDPOINT | sets.AT_THE_CONNECTION | sets.ONE_ENDPOINT_VPC | sets.ONE_HOST
)
"""The same behind a load balancer."""
REMOTE: Final[CodeSet] = sets.ACCESS | BY_PEERING | BY_GATEWAY
"""The same for clients of other VPCs than the endpoint's."""
ANYWHERE: Final[CodeSet] = BY_PEERING | BY_GATEWAY | BEHIND
"""Every broker is silent, by whichever way."""
ONE_BROKER_DIRECT: Final[CodeSet] = sets.ONE_SUBNET_BY_GATEWAY
"""One broker is silent at its ENI."""
ONE_BROKER_BEHIND: Final[CodeSet] = (
    sets.ONE_BROKER_SILENT | sets.ONE_BROKER_REFUSED | sets.ONE_PORT | sets.ONE_ENDPOINT_VPC
)
"""One broker does not connect behind a load balancer."""
ONE_BROKER: Final[CodeSet] = ONE_BROKER_DIRECT | ONE_BROKER_BEHIND
CLOSED: Final[CodeSet] = sets.CLOSED_AT_ONCE | sets.NOT_TLS
"""Accepted, and no TLS."""
LOSSY: Final[CodeSet] = sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED}
"""Some connections fail, without a pattern."""
