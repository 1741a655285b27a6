"""Security groups: those that something on the paths has, and those that their rules name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from brokerproof.aws.discovery.calls import SECURITY_GROUP_RULES, SECURITY_GROUPS
from brokerproof.aws.discovery.prefixes import Prefixes, each_block, read_prefixes
from brokerproof.aws.discovery.reader import Ask, Item, Place, Reader, where
from brokerproof.topology.models import IpPermission, SecurityGroup

_PROTOCOLS: Final = frozenset({"tcp", "udp", "icmp", "-1"})
_LAST_PORT: Final = 65535


def read_groups(
    reader: Reader, wanted: Iterable[tuple[Place, str]], places: Mapping[str, Place]
) -> list[SecurityGroup]:
    """These groups, and those of known VPCs that their rules name."""
    reader.say("reading security groups")
    found: dict[str, SecurityGroup] = {}
    asked: set[tuple[Place, str]] = set()
    left = set(wanted)
    while left:
        asked |= left
        by_place: dict[Place, list[str]] = {}
        for place, group_id in sorted(left):
            by_place.setdefault(place, []).append(group_id)
        reads = reader.every(
            Ask(place, call, where("group-id", ids), of=tuple(ids))
            for place, ids in by_place.items()
            for call in (SECURITY_GROUPS, SECURITY_GROUP_RULES)
        )
        vpcs: dict[str, str] = {}
        rules: dict[str, list[Item]] = {}
        complete: set[str] = set()
        for read in reads:
            for item in read.entries:
                if read.ask.call is SECURITY_GROUPS:
                    vpcs[item["GroupId"]] = item["VpcId"]
                else:
                    rules.setdefault(item["GroupId"], []).append(item)
            if read.known and read.ask.call is SECURITY_GROUP_RULES:
                complete |= set(by_place[read.ask.place])
        prefixes = read_prefixes(
            reader,
            (
                (read.ask.place, item["PrefixListId"])
                for read in reads
                for item in read.entries
                if read.ask.call is SECURITY_GROUP_RULES and item.get("PrefixListId")
            ),
        )
        rules = {group_id: list(_by_block(own, prefixes)) for group_id, own in rules.items()}
        left = set()
        for group_id, vpc_id in vpcs.items():
            found[group_id] = _group(group_id, vpc_id, rules.get(group_id, []))
            for item in rules.get(group_id, ()):
                far = item.get("ReferencedGroupInfo", {})
                home = places.get(far.get("VpcId", vpc_id))
                if "GroupId" in far and home is not None and (home, far["GroupId"]) not in asked:
                    left.add((home, far["GroupId"]))
    return [found[key] for key in sorted(found)]


def _by_block(rules: Iterable[Item], prefixes: Prefixes) -> Iterator[Item]:
    yield from each_block(rules, prefixes, names="PrefixListId", four="CidrIpv4", six="CidrIpv6")


def _group(group_id: str, vpc_id: str, rules: Iterable[Item]) -> SecurityGroup:
    ingress: list[IpPermission] = []
    egress: list[IpPermission] = []
    for item in rules:
        if item["IpProtocol"] in _PROTOCOLS:
            (egress if item["IsEgress"] else ingress).append(_rule(item))
    return SecurityGroup(
        group_id=group_id,
        vpc_id=vpc_id,
        ingress=tuple(sorted(ingress, key=repr)),
        egress=tuple(sorted(egress, key=repr)),
    )


def _rule(item: Item) -> IpPermission:
    first, last = item.get("FromPort", -1), item.get("ToPort", -1)
    every = item["IpProtocol"] == "-1" or first == -1
    given: dict[str, Any] = {
        "ip_protocol": item["IpProtocol"],
        "cidr_ipv4": item.get("CidrIpv4"),
        "cidr_ipv6": item.get("CidrIpv6"),
        "referenced_group_id": item.get("ReferencedGroupInfo", {}).get("GroupId"),
        "description": item.get("Description", ""),
        "from_port": 0 if every else first,
        "to_port": _LAST_PORT if every else last,
    }
    return IpPermission.model_validate(given)
