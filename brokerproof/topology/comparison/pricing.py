"""What a path costs: its price dimensions with quantities counted in the topology, and a sum where prices are given.

No price is known here. Dimensions are those of AWS's pricing pages for PrivateLink, Transit Gateway, load balancers,
MSK and data transfer; the figures are an input with a source of its own, and what is not in it is not guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import AddressKind, ClientView, Way
from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import Client, Topology, VpcEndpoint
from brokerproof.topology.patterns import spec_of
from brokerproof.topology.patterns.dimensions import Dimension

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriceError(ValueError):
    """A price file that cannot be used; the message names file and field."""


class Charge(BaseModel):
    """So many of one dimension: things each hour, or that share of all data; None where no topology says how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimension: Dimension
    quantity: NonNegative | None
    counted: str
    """How the quantity came about."""

    @property
    def hourly(self) -> bool:
        """Charged by the hour, not by data."""
        return self.dimension.value.endswith("_hour")


class PriceList(BaseModel):
    """Prices and amounts of one month. ``source`` says where the prices are from, and of what day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = Field(min_length=1)
    source: str = Field(min_length=1)
    hours_per_month: NonNegative
    gb_per_month: NonNegative
    """Produced and consumed by one client, all brokers together."""
    nlcu_hours_per_month: NonNegative | None = None
    prices: dict[Dimension, NonNegative]


class MonthlyCost(BaseModel):
    """A sum, or what is missing for one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: float | None
    missing: tuple[str, ...] = ()


def load_prices(path: Path) -> PriceList:
    """Read a price file.

    Raises:
        PriceError: it cannot be read, is not YAML, or has a field that is missing, unknown or wrong.
    """
    try:
        return PriceList.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as problem:
        raise PriceError(f"{path}: cannot be read: {getattr(problem, 'strerror', None) or problem}") from problem
    except YAMLError as problem:
        raise PriceError(f"{path}: not YAML: {problem}") from problem
    except ValidationError as problem:
        lines = [f"{path}: {'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in problem.errors()]
        raise PriceError("\n".join(lines)) from problem


def charges(topology: Topology, client: Client) -> tuple[Charge, ...]:
    """What one client's path is charged for, data spread evenly over the brokers. Of parts that clients share, all."""
    path = _Path.of(topology, client)
    counted = ((each, *_COUNTED[each](path)) for each in spec_of(client.pattern).dimensions)
    return tuple(
        Charge(dimension=dimension, quantity=quantity, counted=words)
        for dimension, quantity, words in counted
        if quantity != 0
    )


@dataclass(frozen=True, slots=True)
class _Path:
    """One client's path, as far as it is charged for."""

    topology: Topology
    view: ClientView
    is_far: bool
    """Client and cluster are in two Regions."""
    used: frozenset[str]
    """The addresses that lead to brokers, and are not the brokers' own."""

    @classmethod
    def of(cls, topology: Topology, client: Client) -> _Path:
        built = with_managed(topology)
        home = built.vpc(built.cluster(client.cluster_name).vpc_id)
        view = expect(topology, client.name)
        addresses = [address for broker in view.brokers for address in broker.addresses]
        own = any(address.kind is AddressKind.BROKER_ENI for address in addresses)
        return cls(
            topology=built,
            view=view,
            is_far=built.vpc(client.vpc_id).region_name != home.region_name,
            used=frozenset() if own else frozenset(address.address for address in addresses),
        )

    @property
    def endpoints(self) -> tuple[VpcEndpoint, ...]:
        return tuple(
            one
            for one in self.topology.vpc_endpoints
            if self.used & {str(each.private_ip_address) for each in one.network_interfaces}
        )

    @property
    def balancers(self) -> frozenset[str]:
        """Behind the endpoints, or where the addresses are those of its nodes."""
        of_services = {self.topology.service(one.service_name).network_load_balancer_name for one in self.endpoints}
        nodes = {
            one.load_balancer_name
            for one in self.topology.load_balancers
            if self.used & {str(zone.private_ipv4_address) for zone in one.availability_zones}
        }
        return frozenset(of_services | nodes)


_Counted = tuple[float | None, str]
"""How much, and how that came about."""


def _cross_zone(path: _Path) -> _Counted:
    brokers = path.view.brokers
    elsewhere = [broker for broker in brokers if broker.zone_id != path.view.zone_id]
    words = f"{len(elsewhere)} of {len(brokers)} brokers in another zone than the client"
    return (0 if path.is_far or not brokers else len(elsewhere) / len(brokers)), words


def _cross_region(path: _Path) -> _Counted:
    return int(path.is_far), "client and cluster in two Regions"


def _attachments(path: _Path) -> _Counted:
    if path.view.way is not Way.TRANSIT_GATEWAY:
        return 0, ""
    ends = {path.view.vpc_id, path.view.entry_vpc_id}
    vpcs = [one for one in path.topology.transit_gateway_attachments if one.vpc_id in ends]
    peers = [one for one in path.topology.transit_gateway_attachments if one.peer_attachment_id is not None]
    peers = peers if path.is_far else []
    counted = f"{len(vpcs)} VPCs attached" + (f", {len(peers)} attachments of gateways to each other" if peers else "")
    return len(vpcs) + len(peers), counted


def _by_gateway(path: _Path) -> _Counted:
    return int(path.view.way is Way.TRANSIT_GATEWAY), "all data goes through a gateway"


def _endpoint_zones(path: _Path) -> _Counted:
    zones = sum(len(one.network_interfaces) for one in path.endpoints)
    return zones, f"{len(path.endpoints)} endpoints, {zones} ENIs in their zones"


def _by_endpoint(path: _Path) -> _Counted:
    return int(bool(path.endpoints)), "all data goes through an endpoint"


def _balancers(path: _Path) -> _Counted:
    return len(path.balancers), f"{len(path.balancers)} load balancers"


def _capacity_units(path: _Path) -> _Counted:
    return (None if path.used else 0), "by connections and bytes; no topology says them"


def _connections(path: _Path) -> _Counted:
    number = sum(one.vpc_id == path.view.vpc_id for one in path.topology.vpc_connections)
    return number, f"{number} managed VPC connections of the client's VPC"


def _by_connection(path: _Path) -> _Counted:
    return int(_connections(path)[0] != 0), "all data goes through it"


_COUNTED: Final[dict[Dimension, Callable[[_Path], _Counted]]] = {
    Dimension.CROSS_ZONE_GB: _cross_zone,
    Dimension.CROSS_REGION_GB: _cross_region,
    Dimension.TRANSIT_GATEWAY_ATTACHMENT_HOUR: _attachments,
    Dimension.TRANSIT_GATEWAY_GB: _by_gateway,
    Dimension.ENDPOINT_ZONE_HOUR: _endpoint_zones,
    Dimension.ENDPOINT_GB: _by_endpoint,
    Dimension.NLB_HOUR: _balancers,
    Dimension.NLCU_HOUR: _capacity_units,
    Dimension.VPC_CONNECTION_HOUR: _connections,
    Dimension.VPC_CONNECTION_GB: _by_connection,
}


def formula(every: tuple[Charge, ...]) -> str:
    """The price dimensions as a sum of one month, quantities filled in; ``GB`` is all data of the client."""
    terms = []
    for each in every:
        if each.quantity is None:
            terms.append(f"NLCU-hours * {each.dimension}")
        else:
            of = "hours" if each.hourly else "GB"
            number = "" if each.quantity == 1 else f"{each.quantity:.3g} * "
            terms.append(f"{number}{of} * {each.dimension}")
    return " + ".join(terms) or "nothing but the cluster"


def monthly(every: tuple[Charge, ...], prices: PriceList) -> MonthlyCost:
    """The sum, or what is missing for it: a sum without a part of it would be taken for the whole."""
    amount, missing = 0.0, []
    for each in every:
        price = prices.prices.get(each.dimension)
        number = each.quantity if each.quantity is not None else prices.nlcu_hours_per_month
        if price is None:
            missing.append(each.dimension.value)
        if number is None:
            missing.append("nlcu_hours_per_month")
        if price is None or number is None:
            continue
        times = 1.0 if each.quantity is None else prices.hours_per_month if each.hourly else prices.gb_per_month
        amount += price * number * times
    return MonthlyCost(amount=None if missing else amount, missing=tuple(missing))
