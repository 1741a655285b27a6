"""Where each client of an intent is: its VPC, subnet, address and groups, as far as the way it is named tells them.

An instance or an interface tells all of it. A subnet, a VPC or a pod's node do not tell the client's own address: it is
unknown, and nothing is guessed in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from brokerproof.aws.discovery.calls import INSTANCES, INTERFACES, SUBNETS
from brokerproof.aws.discovery.reader import Ask, DiscoveryError, Item, Place, Read, Reader, where
from brokerproof.aws.intent.models import NODE, IntendedClient, Intent, Whereabouts, account_of, region_of
from brokerproof.topology.models import UNKNOWN

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a VPC. Unknown: VPC and subnet are ``unknown``, the address None, the groups none."""

    vpc_id: str = UNKNOWN
    subnet_id: str = UNKNOWN
    address: str | None = None
    ipv6: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Here:
    """The host that asks."""

    place: Place
    spot: Spot


@dataclass(frozen=True, slots=True)
class ReadHost:
    """The host of a client."""

    client: IntendedClient
    place: Place
    spot: Spot


def place_of(intent: Intent, client: IntendedClient) -> Place:
    """The account and Region of a client's host."""
    arn = intent.cluster_of(client)
    return Place(client.account or account_of(arn), client.region or region_of(arn))


def read_hosts(reader: Reader, intent: Intent, here: Here | None = None) -> list[ReadHost]:
    """The host of every client, in their order; ``here`` is this host's, None where nothing says where it is.

    Raises:
        DiscoveryError: one is not there, may not be looked at, or is named by what several have.
    """
    reader.say(f"reading the hosts of {len(intent.clients)} client(s)")
    wanted: dict[tuple[Place, Whereabouts], set[str]] = {}
    for client in intent.clients:
        if client.whereabouts is Whereabouts.HERE:
            continue
        wanted.setdefault((place_of(intent, client), client.whereabouts), set()).add(client.at)
    reads = reader.every(ask for (place, kind), named in wanted.items() for ask in _asks(place, kind, sorted(named)))
    known: dict[tuple[Place, str], Spot] = {}
    for read in reads:
        for at, spot in _spots(read):
            known[read.ask.place, at] = spot
    refused = {(read.ask.place, at): f"{read.ask.call.action}: {read.why}" for read in reads for at in read.ask.of}
    found = []
    for client in intent.clients:
        place = place_of(intent, client)
        if client.whereabouts is Whereabouts.HERE:
            found.append(ReadHost(client, *((here.place, here.spot) if here is not None else (place, Spot()))))
            continue
        if (place, client.at) not in known:
            why = refused.get((place, client.at), "")
            told = f" ({why})" if why and not why.endswith(": ") else ""
            raise DiscoveryError(
                f"client {client.name}: {client.at} was not found in account {place.account_id}, Region "
                f"{place.region_name}{told}; check the id, and account and region of the client"
            )
        found.append(ReadHost(client, place, known[place, client.at]))
    return found


_ABSENT: Final = {
    Whereabouts.INSTANCE: "InvalidInstanceID.NotFound",
    Whereabouts.INTERFACE: "InvalidNetworkInterfaceID.NotFound",
    Whereabouts.SUBNET: "InvalidSubnetID.NotFound",
}


def _asks(place: Place, kind: Whereabouts, named: list[str]) -> Iterator[Ask]:
    match kind:
        case Whereabouts.HERE:
            return
        case Whereabouts.INSTANCE:
            yield Ask(place, INSTANCES, {"InstanceIds": named}, of=tuple(named), absent=(_ABSENT[kind],))
        case Whereabouts.INTERFACE:
            yield Ask(place, INTERFACES, {"NetworkInterfaceIds": named}, of=tuple(named), absent=(_ABSENT[kind],))
        case Whereabouts.SUBNET:
            yield Ask(place, SUBNETS, {"SubnetIds": named}, of=tuple(named), absent=(_ABSENT[kind],))
        case Whereabouts.VPC:
            yield Ask(place, SUBNETS, where("vpc-id", named), of=tuple(named))
        case Whereabouts.NODE:
            running = {"Name": "instance-state-name", "Values": ["running"]}
            for at in named:
                node = at.removeprefix(NODE)
                by = "private-dns-name" if "." in node else "instance-id"
                yield Ask(place, INSTANCES, {"Filters": [*where(by, [node])["Filters"], running]}, of=(at,))


def _spots(read: Read) -> Iterator[tuple[str, Spot]]:
    """What was found, by what the intent calls it."""
    if read.ask.call is INTERFACES:
        yield from ((entry["NetworkInterfaceId"], _at(entry)) for entry in read.entries)
    elif read.ask.call is SUBNETS:
        yield from _of_subnets(read)
    elif "Filters" in read.ask.params:
        yield from _of_node(read)
    else:
        for instance in _instances(read):
            first = min(instance["NetworkInterfaces"], key=lambda n: n.get("Attachment", {}).get("DeviceIndex", 0))
            yield instance["InstanceId"], _at(first)


def _instances(read: Read) -> Iterator[Item]:
    for entry in read.entries:
        yield from entry["Instances"]


def _at(entry: Item) -> Spot:
    """Where an interface is."""
    six = [a["Ipv6Address"] for a in entry.get("Ipv6Addresses", ())]
    groups = tuple(g["GroupId"] for g in entry.get("Groups", ()))
    return Spot(entry["VpcId"], entry["SubnetId"], entry["PrivateIpAddress"], six[0] if six else None, groups)


def _of_subnets(read: Read) -> Iterator[tuple[str, Spot]]:
    by_vpc: dict[str, list[str]] = {}
    for entry in read.entries:
        yield entry["SubnetId"], Spot(entry["VpcId"], entry["SubnetId"])
        by_vpc.setdefault(entry["VpcId"], []).append(entry["SubnetId"])
    for vpc_id, subnets in by_vpc.items():
        yield vpc_id, Spot(vpc_id, *(subnets if len(subnets) == 1 else ()))


def _of_node(read: Read) -> Iterator[tuple[str, Spot]]:
    """A pod of a node: in the subnet, and with the groups, that all of the node's interfaces have.

    Raises:
        DiscoveryError: several instances have the name, as they may in VPCs with the same addresses.
    """
    [at] = read.ask.of
    found = list(_instances(read))
    if len(found) > 1:
        ids = ", ".join(sorted(instance["InstanceId"] for instance in found))
        raise DiscoveryError(
            f"{at} is the name of {len(found)} instances ({ids}); name the node by its id: {NODE}i-..."
        )
    for instance in found:
        spots = [_at(entry) for entry in instance["NetworkInterfaces"]]
        yield (
            at,
            Spot(
                instance["VpcId"],
                _same((spot.subnet_id for spot in spots), UNKNOWN),
                groups=_same((tuple(sorted(spot.groups)) for spot in spots), ()),
            ),
        )


def _same(values: Iterable[T], otherwise: T) -> T:
    found = set(values)
    return found.pop() if len(found) == 1 else otherwise
