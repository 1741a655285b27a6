"""What a path costs: its price dimensions with quantities counted in the topology, and a sum where prices are given.

No price is known here. Dimensions are those of AWS's pricing pages for PrivateLink, Transit Gateway, load balancers,
MSK and data transfer; the figures are an input with a source of its own, and what is not in it is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import AddressKind, ClientView
from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import Client, Topology

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Dimension(StrEnum):
    """What is charged for, as a price file calls it."""

    CROSS_ZONE_GB = "cross_zone_gb"
    CROSS_REGION_GB = "cross_region_gb"
    TRANSIT_GATEWAY_ATTACHMENT_HOUR = "transit_gateway_attachment_hour"
    TRANSIT_GATEWAY_GB = "transit_gateway_gb"
    ENDPOINT_ZONE_HOUR = "endpoint_zone_hour"
    """An interface endpoint, for each zone it has an ENI in."""
    ENDPOINT_GB = "endpoint_gb"
    NLB_HOUR = "nlb_hour"
    NLCU_HOUR = "nlcu_hour"
    """Load balancer capacity units: of connections and bytes, so they cannot be counted in a topology."""
    VPC_CONNECTION_HOUR = "vpc_connection_hour"
    """A managed VPC connection of MSK, each for one way of authenticating."""
    VPC_CONNECTION_GB = "vpc_connection_gb"


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
    built = with_managed(topology)
    view = expect(topology, client.name)
    return tuple(charge for charge in _charges(built, client, view) if charge.quantity != 0)


def _charges(topology: Topology, client: Client, view: ClientView) -> Iterator[Charge]:
    home = topology.vpc(topology.cluster(client.cluster_name).vpc_id)
    here = topology.vpc(client.vpc_id)
    elsewhere = [broker for broker in view.brokers if broker.zone_id != view.zone_id]
    far = here.region_name != home.region_name
    brokers = len(view.brokers)
    if far:
        yield Charge(dimension=Dimension.CROSS_REGION_GB, quantity=1, counted="client and cluster in two Regions")
    elif brokers:
        yield Charge(
            dimension=Dimension.CROSS_ZONE_GB,
            quantity=len(elsewhere) / brokers,
            counted=f"{len(elsewhere)} of {brokers} brokers in another zone than the client",
        )
    yield from _gateways(topology, client, view, far=far)
    yield from _endpoints(topology, client, view)


def _gateways(topology: Topology, client: Client, view: ClientView, *, far: bool) -> Iterator[Charge]:
    if view.way.value != "transit_gateway":
        return
    ends = {client.vpc_id, view.entry_vpc_id}
    vpcs = [one for one in topology.transit_gateway_attachments if one.vpc_id in ends]
    peers = [one for one in topology.transit_gateway_attachments if one.peer_attachment_id is not None and far]
    counted = f"{len(vpcs)} VPCs attached" + (f", {len(peers)} attachments of gateways to each other" if peers else "")
    yield Charge(dimension=Dimension.TRANSIT_GATEWAY_ATTACHMENT_HOUR, quantity=len(vpcs) + len(peers), counted=counted)
    yield Charge(dimension=Dimension.TRANSIT_GATEWAY_GB, quantity=1, counted="all data goes through a gateway")


def _endpoints(topology: Topology, client: Client, view: ClientView) -> Iterator[Charge]:
    used = {address.address for broker in view.brokers for address in broker.addresses}
    kinds = {address.kind for broker in view.brokers for address in broker.addresses}
    if AddressKind.BROKER_ENI in kinds or not used:
        return
    endpoints = [
        one
        for one in topology.vpc_endpoints
        if used & {str(each.private_ip_address) for each in one.network_interfaces}
    ]
    managed = [one for one in topology.vpc_connections if one.vpc_id == client.vpc_id]
    if managed and client.pattern == "multi_vpc":
        yield Charge(
            dimension=Dimension.VPC_CONNECTION_HOUR,
            quantity=len(managed),
            counted=f"{len(managed)} managed VPC connections of the client's VPC",
        )
        yield Charge(dimension=Dimension.VPC_CONNECTION_GB, quantity=1, counted="all data goes through it")
        return
    if endpoints:
        zones = sum(len(one.network_interfaces) for one in endpoints)
        yield Charge(
            dimension=Dimension.ENDPOINT_ZONE_HOUR,
            quantity=zones,
            counted=f"{len(endpoints)} endpoints, {zones} ENIs in their zones",
        )
        yield Charge(dimension=Dimension.ENDPOINT_GB, quantity=1, counted="all data goes through an endpoint")
    behind = {topology.service(one.service_name).network_load_balancer_name for one in endpoints}
    nodes = {
        one.load_balancer_name
        for one in topology.load_balancers
        if used & {str(zone.private_ipv4_address) for zone in one.availability_zones}
    }
    balancers = behind | nodes
    yield Charge(dimension=Dimension.NLB_HOUR, quantity=len(balancers), counted=f"{len(balancers)} load balancers")
    yield Charge(
        dimension=Dimension.NLCU_HOUR, quantity=None, counted="by connections and bytes; no topology says them"
    )


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
