"""Security group rules."""

from __future__ import annotations

from collections.abc import Iterator

from topology.models import Topology
from topology.rules.problem import Path, Problem


def permissions(topology: Topology) -> Iterator[Problem]:
    """What AuthorizeSecurityGroupIngress refuses."""
    groups = {g.group_id for g in topology.security_groups}
    for i, group in enumerate(topology.security_groups):
        for side in ("ingress", "egress"):
            for j, rule in enumerate(getattr(group, side)):
                path: Path = ("security_groups", i, side, j)
                if (rule.cidr_ipv4 is None) == (rule.referenced_group_id is None):
                    yield Problem(path, "give exactly one of cidr_ipv4 and referenced_group_id")
                elif rule.referenced_group_id is not None and rule.referenced_group_id not in groups:
                    yield Problem(
                        (*path, "referenced_group_id"),
                        f"no security group {rule.referenced_group_id!r} (AWS: InvalidGroup.NotFound)",
                    )
                if rule.from_port > rule.to_port:
                    yield Problem(path, f"from_port {rule.from_port} is above to_port {rule.to_port}")
