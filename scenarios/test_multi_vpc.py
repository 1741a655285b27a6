"""MSK multi-VPC private connectivity: a managed VPC connection, with names and ports of its own.

Broker N is ``b-N.tls.<cluster>...`` (or ``scram``, ``iam``) at port 14000+N; the names answer the ENIs of the
endpoint that MSK made in the client VPC, and the certificate has names of that form, since the cluster's
wildcard does not reach two labels. The ordinary bootstrap string stays unreachable. ``account_b`` has a CIDR of its
own; ``overlapping`` has the cluster VPC's, which PrivateLink underneath allows.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import MeasuredContract
from brokerproof.topology.patterns import PatternName

PATTERN = PatternName.MULTI_VPC


class TestClients(MeasuredContract):
    """Clients with a VPC connection."""
