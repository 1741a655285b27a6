"""The comparison of patterns, filled in for one topology: a column a client, and of every statement where it is from.

What documents say is in :mod:`brokerproof.topology.comparison.facts`; here is what follows from the topology by
counting. What a run measured is added by who has a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from brokerproof.topology.comparison.facts import Basis, Statement, documented
from brokerproof.topology.comparison.pricing import PriceList, charges, formula, monthly
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import AddressKind, ClientView, Way
from brokerproof.topology.models import Client, Topology
from brokerproof.topology.patterns import spec_of
from brokerproof.topology.patterns.facts import Row

Measured = Mapping[tuple[str, Row], Sequence[Statement]]
"""What was measured, by client and row."""
_LISTENERS = 50
"""Of an NLB, by default (ELB guide, quotas)."""


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client's pattern: every row has its statements, perhaps none."""

    client: str
    pattern: str
    rows: dict[Row, tuple[Statement, ...]]


class PatternTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All clients of a topology that get through by a pattern."""

    topology: str
    columns: tuple[Column, ...]


def pattern_table(
    topology: Topology,
    clients: Sequence[str],
    *,
    prices: PriceList | None = None,
    measured: Mapping[tuple[str, Row], Sequence[Statement]] | None = None,
) -> PatternTable:
    """The table.

    Args:
        topology: Where quantities are counted.
        clients: Whose columns; each has a pattern.
        prices: Makes a sum of the price formula; None leaves the formula.
        measured: What a run adds.
    """
    columns = [_column(topology, topology.client(name), prices, measured or {}) for name in clients]
    return PatternTable(topology=topology.name, columns=tuple(columns))


def _column(topology: Topology, client: Client, prices: PriceList | None, measured: Measured) -> Column:
    pattern = spec_of(client.pattern).name
    view = expect(topology, client.name)
    derived = {
        Row.SCALE: _scale(topology, view),
        Row.PRICE: _price(topology, client, prices),
        Row.LATENCY: _hops(topology, view),
    }

    def cell(row: Row) -> tuple[Statement, ...]:
        seen = tuple(measured.get((client.name, row), ()))
        return (*seen, *derived.get(row, ()), *documented(pattern, row))

    return Column(client=client.name, pattern=pattern, rows={row: cell(row) for row in Row})


def _derived(topology: Topology, *texts: str) -> tuple[Statement, ...]:
    return tuple(
        Statement(text=text, basis=Basis.DERIVED, source=f"topology {topology.name}") for text in texts if text
    )


def _scale(topology: Topology, view: ClientView) -> tuple[Statement, ...]:
    """How much of the limits the topology uses."""
    addresses = {address.address for broker in view.brokers for address in broker.addresses}
    services = {
        topology.service(endpoint.service_name).network_load_balancer_name
        for endpoint in topology.vpc_endpoints
        if addresses & {str(each.private_ip_address) for each in endpoint.network_interfaces}
    }
    most = max((len(one.listeners) for one in topology.load_balancers if one.load_balancer_name in services), default=0)
    return _derived(
        topology,
        f"{len(view.brokers)} brokers at {len(addresses)} addresses",
        f"the fullest load balancer has {most} of {_LISTENERS} listeners" if most else "",
    )


def _hops(topology: Topology, view: ClientView) -> tuple[Statement, ...]:
    """What lies on the way, in order; how long it takes is for a run to say."""
    way = {
        Way.LOCAL: (),
        Way.PEERING: ("peering",),
        Way.TRANSIT_GATEWAY: ("transit gateway",),
        Way.NONE: (),
    }[view.way]
    kinds = {address.kind for broker in view.brokers for address in broker.addresses}
    home = topology.vpc(topology.cluster(view.cluster_name).vpc_id).region_name
    regions = (f"{view.region_name} to {home}",) if view.region_name != home else ()
    parts = [*way, *regions]
    if AddressKind.ENDPOINT_ENI in kinds:
        parts += ["interface endpoint", "load balancer"]
    elif AddressKind.NLB_NODE in kinds:
        parts.append("load balancer")
    return _derived(topology, f"on the way: {', '.join(parts) or 'nothing'}")


def _price(topology: Topology, client: Client, prices: PriceList | None) -> tuple[Statement, ...]:
    every = charges(topology, client)
    texts = [f"a month: {formula(every)}", "; ".join(each.counted for each in every)]
    if prices is None:
        return _derived(topology, *texts)
    cost = monthly(every, prices)
    if cost.amount is None:
        said = f"no sum: the price file lacks {', '.join(cost.missing)}"
    else:
        amounts = f"{prices.gb_per_month:,g} GB and {prices.hours_per_month:,g} hours"
        said = f"{cost.amount:,.2f} {prices.currency} a month for {amounts}"
    source = f"topology {topology.name}, prices: {prices.source}"
    return (*_derived(topology, *texts), Statement(text=said, basis=Basis.DERIVED, source=source))
