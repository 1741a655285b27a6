"""Where a cause sits: the kinds of pieces that a path is made of. Plain values, no logic.

A picture marks the pieces, and a title says "behind the load balancer" by them.
"""

from __future__ import annotations

from enum import StrEnum


class Piece(StrEnum):
    """A kind of piece. A security group sits at what it is attached to, a certificate at who shows it."""

    CLIENT = "client"
    """The client's host: its configuration, clock, security group and tables."""
    RESOLVER = "resolver"
    """What answers the client VPC's questions, and the settings and rules that decide who does."""
    ZONE = "zone"
    """A private hosted zone and its records."""
    CLIENT_ROUTES = "client_routes"
    """The route tables and subnets of the client's VPC."""
    CLUSTER_ROUTES = "cluster_routes"
    """Those of the VPC that the client's way leads to."""
    SUBNETS = "subnets"
    """The subnets of both ends, with their network ACLs."""
    PEERING = "peering"
    GATEWAY = "gateway"
    """A transit gateway, its attachments and route tables."""
    ENDPOINT = "endpoint"
    """An interface endpoint or a managed VPC connection."""
    SERVICE = "service"
    """An endpoint service."""
    BALANCER = "balancer"
    """A Network Load Balancer and its attributes."""
    LISTENER = "listener"
    TARGET = "target"
    """A target group and its targets."""
    BROKER = "broker"
    CLUSTER = "cluster"
    """The cluster as a whole: its controller, policies, topics and groups."""
    WAY = "way"
    """Anywhere between the client and the brokers."""
    ACCOUNT = "account"
    """The control plane, or what no client's way passes."""


BEHIND_THE_BALANCER = frozenset({Piece.BALANCER, Piece.LISTENER, Piece.TARGET, Piece.BROKER, Piece.CLUSTER})
"""What a client beyond a load balancer meets at it or after it."""
