"""Which instance is a client's, and whether SSM reaches it: asked of an account before a command is sent there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from brokerproof.fleet.far.values import Item
from brokerproof.fleet.hub import TAG, CommandHub, FleetError, Reached, account_of
from brokerproof.fleet.items import Reach
from brokerproof.topology.models import Client, Topology
from brokerproof.wording import listed

_AT_A_TIME: Final = 50
"""Instances of one question (Systems Manager API reference, DescribeInstanceInformation: 5 to 50 results)."""
_LINUX: Final = "Linux"
Tags = Mapping[str, tuple[str, ...]]
"""Instances by client."""


def tagged(ec2: Any) -> Tags:
    """The running instances with the tag, by what its words name: a client, or several with spaces between.

    Args:
        ec2: A client of EC2.
    """
    found: dict[str, list[str]] = {}
    wanted = [{"Name": "tag-key", "Values": [TAG]}, {"Name": "instance-state-name", "Values": ["running"]}]
    for page in ec2.get_paginator("describe_instances").paginate(Filters=wanted):
        for instance in (each for reservation in page["Reservations"] for each in reservation["Instances"]):
            [value] = [tag["Value"] for tag in instance["Tags"] if tag["Key"] == TAG]
            for client in value.split():
                found.setdefault(client, []).append(instance["InstanceId"])
    return {client: tuple(sorted(ids)) for client, ids in found.items()}


def reach(hub: CommandHub, own_account: str, stated: Mapping[str, str], tags: Mapping[str, Tags | str]) -> Reach:
    """Where clients' probes are: on the instance that a file names, or on the one with the tag.

    Args:
        hub: Of their Region.
        own_account: Whose credentials send commands without a role.
        stated: Instances by client.
        tags: By account, what :func:`tagged` found there; or why that is unknown.
    """

    def reached(topology: Topology, client: Client) -> Reached:
        account, region = account_of(topology, client)
        if region != hub.region_name:
            raise FleetError(
                f"client {client.name} is in {region}: give a bucket there too (--region {region}), or leave such "
                "clients out by --only-region"
            )
        role = "" if account == own_account else hub.role_in(account)
        if client.name in stated:
            return Reached(hub.instance(account, stated[client.name]), role)
        there = tags[account]
        if isinstance(there, str):
            return Reached("", role, there)
        found = there.get(client.name, ())
        if len(found) == 1:
            return Reached(hub.instance(account, found[0]), role)
        if found:
            why = f"{listed(found)} of account {account} all have the tag {TAG}={client.name}: state one as instance_id"
        else:
            why = f"no running instance of account {account} in {region} has the tag {TAG}={client.name}"
        return Reached("", role, why)

    return reached


def not_reached(ssm: Any, instances: Iterable[str]) -> dict[str, str]:
    """Which of these instances SSM does not reach, and why; what it does not reach would hold a place for minutes.

    Args:
        ssm: A client of Systems Manager.
        instances: Their ids.
    """
    wanted = sorted(instances)
    known: dict[str, Mapping[str, Any]] = {}
    for some in (wanted[start : start + _AT_A_TIME] for start in range(0, len(wanted), _AT_A_TIME)):
        asked = [{"Key": "InstanceIds", "Values": some}]
        for page in ssm.get_paginator("describe_instance_information").paginate(Filters=asked):
            known |= {each["InstanceId"]: each for each in page["InstanceInformationList"]}
    said = {each: _why_not(each, known.get(each)) for each in wanted}
    return {each: why for each, why in said.items() if why}


def _why_not(instance: str, known: Mapping[str, Any] | None) -> str:
    if known is None:
        return f"SSM does not know {instance}: its agent must run, and its role must have AmazonSSMManagedInstanceCore"
    if known.get("PingStatus") != "Online":
        when = known.get("LastPingDateTime")
        at = f"at {when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when else "long ago"
        return f"SSM's agent at {instance} was last heard of {at}"
    if known.get("PlatformType", _LINUX) != _LINUX:
        return f"{instance} runs {known['PlatformType']}, and the probe needs {_LINUX}"
    return ""


def instance_of(item: Item) -> str:
    """The id of the instance that an item is of."""
    return item.resource.rpartition("/")[2]


def by_instance(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Items by the id of the instance that they are of."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(instance_of(item), []).append(item)
    return found
