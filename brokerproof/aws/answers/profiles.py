"""Route 53 Profiles: none, or for accounts that share zones and rules by them, one a VPC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from brokerproof.aws.answers.names import list_hosted_zones_by_vpc, list_resolver_rule_associations
from brokerproof.aws.answers.organization import Asked, Item, hexadecimal


def list_profile_associations(_asked: Asked) -> Item:
    """ListProfileAssociations, where nothing is shared so."""
    return {"ProfileAssociations": []}


def list_profile_resource_associations(_asked: Asked) -> Item:
    """ListProfileResourceAssociations, likewise."""
    return {"ProfileResourceAssociations": []}


def _profile(vpc_id: str) -> str:
    return f"rp-{hexadecimal(vpc_id, 16)}"


def _associations(asked: Asked) -> Item:
    return {
        "ProfileAssociations": [
            {"Id": f"rpassoc-{hexadecimal(v.vpc_id, 16)}", "ProfileId": _profile(v.vpc_id), "ResourceId": v.vpc_id}
            | {"Status": "COMPLETE"}
            for v in asked.vpcs
        ]
    }


def _resources(asked: Asked) -> Item:
    found: list[Item] = []
    for vpc in asked.vpcs:
        if _profile(vpc.vpc_id) == asked.params["ProfileId"]:
            arns = [f"arn:aws:route53:::hostedzone/{z.hosted_zone_id}" for z in asked.topology.zones_in(vpc.vpc_id)]
            arns += [
                f"arn:aws:route53resolver:{asked.region}:{asked.account}:resolver-rule/{rule.resolver_rule_id}"
                for rule in asked.topology.resolver_rules
                if vpc.vpc_id in rule.vpc_ids
            ]
            found += [{"ResourceArn": arn, "Status": "COMPLETE"} for arn in arns]
    return {"ProfileResourceAssociations": found}


def _no_zones(asked: Asked) -> Item:
    return {**list_hosted_zones_by_vpc(asked), "HostedZoneSummaries": []}


def _own_rule(asked: Asked) -> Item:
    whole = list_resolver_rule_associations(asked)
    own = [a for a in whole["ResolverRuleAssociations"] if a["ResolverRuleId"].startswith("rslvr-autodefined")]
    return {**whole, "ResolverRuleAssociations": own}


BY_PROFILE: Final[Mapping[tuple[str, str], Callable[[Asked], Item]]] = {
    ("route53profiles", "ListProfileAssociations"): _associations,
    ("route53profiles", "ListProfileResourceAssociations"): _resources,
    ("route53", "ListHostedZonesByVPC"): _no_zones,
    ("route53resolver", "ListResolverRuleAssociations"): _own_rule,
}
"""What is answered otherwise where every zone and rule is shared by a Profile."""
