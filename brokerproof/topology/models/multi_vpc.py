"""MSK multi-VPC private connectivity: managed VPC connections and their schemes."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from brokerproof.topology.models.base import Id, Model
from brokerproof.topology.models.load_balancing import EndpointInterface


class VpcAuthentication(StrEnum):
    """Schemes of multi-VPC connectivity, as CreateVpcConnection names them. Plaintext is not one of them."""

    TLS = "TLS"
    SASL_SCRAM = "SASL_SCRAM"
    SASL_IAM = "SASL_IAM"

    @property
    def label(self) -> str:
        """The label after ``b-N.`` in the names of a connection."""
        return {"TLS": "tls", "SASL_SCRAM": "scram", "SASL_IAM": "iam"}[self.value]

    @property
    def listener(self) -> str:
        """Kafka's name of the listener behind it."""
        names = {"TLS": "CLIENT_SECURE_VPCE", "SASL_SCRAM": "CLIENT_SASL_SCRAM_VPCE", "SASL_IAM": "CLIENT_IAM_VPCE"}
        return names[self.value]


class VpcConnectionState(StrEnum):
    """States of DescribeVpcConnection; only ``AVAILABLE`` passes traffic."""

    CREATING = "CREATING"
    AVAILABLE = "AVAILABLE"
    INACTIVE = "INACTIVE"
    DEACTIVATING = "DEACTIVATING"
    DELETING = "DELETING"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    REJECTING = "REJECTING"


class VpcConnection(Model):
    """A managed VPC connection of MSK multi-VPC connectivity (DescribeVpcConnection).

    ``network_interfaces`` are those of the endpoint that MSK makes for it in the client VPC; DescribeVpcConnection
    does not give them, DescribeVpcEndpoints there does.
    """

    vpc_connection_arn: Id
    target_cluster_name: Id
    authentication: VpcAuthentication = VpcAuthentication.TLS
    vpc_id: Id
    client_subnets: tuple[Id, ...] = Field(min_length=1)
    security_groups: tuple[Id, ...] = ()
    state: VpcConnectionState = VpcConnectionState.AVAILABLE
    network_interfaces: tuple[EndpointInterface, ...] = Field(min_length=1)
