"""Rules of connecting through a load balancer: at its own nodes, or at an interface endpoint. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import Access, Case, Draft, Red, kind, local, managed
from brokerproof.diagnosis.rules.connect import by_way
from brokerproof.diagnosis.rules.shape import Met, Shape, is_ipv6
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.patterns import spec_of

_SILENT_WIDE = "connections vanish on the way: nothing answers at the {entry}, for any broker"
_SILENT_BROKER = "{some} not answer{behind}{anywhere}"
_REFUSED_BROKER = "connections to {one} are refused{behind}{everywhere}"
_SILENT_BOOTSTRAP = "the bootstrap listener does not answer{anywhere}"
_REFUSED_BOOTSTRAP = "the bootstrap listener refuses connections{everywhere}"
_OTHERS = {
    _SILENT_BROKER: ", and others do",
    _REFUSED_BROKER: ", and others are not",
    _SILENT_BOOTSTRAP: ", and the brokers' own do",
    _REFUSED_BOOTSTRAP: ", and the brokers' own do not",
}
"""What is added where the same clients connect elsewhere."""
_REFUSED_WIDE = "every connection is refused{behind}, for any broker"
_SILENT_ZONE = "the addresses of one zone do not answer, whichever broker they are for"
_OWN_ZONE_ALONE = "of each broker's addresses only the one in the broker's own zone answers"
_BEHIND = (Access.NODES, Access.ENDPOINT)


# Of each broker's addresses, some


def cross_zone(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Of each broker's addresses exactly one connects, and it goes with the broker's zone."""
    shape = Shape(case, reds)
    alone = [met for met in shape.met if kind(met.view) in _BEHIND and met.partial and met.broker_id is not None]
    other_shape = {met.view.client for met in alone if not _own_zone_alone(met, alone)}
    found = [met for met in alone if met.view.client not in other_shape]
    found += [met for met in shape.met if _is_asked_elsewhere(met, found)]
    # A node without a target refuses; what is dropped between zones is silent, and an ACL may drop it.
    for silent in (False, True):
        reds_of = tuple(red for met in found if met.refused is not silent for red in met.open)
        if reds_of and silent:
            yield Draft(sets.OWN_ZONE_ALONE, _OWN_ZONE_ALONE, reds_of)
        elif reds_of:
            yield Draft(frozenset({Code.NLB_CROSS_ZONE_OFF}), "", reds_of)


def _is_asked_elsewhere(met: Met, found: Sequence[Met]) -> bool:
    """Whether the client came to a broker at addresses alone that are of other brokers' zones, as these show."""
    mine = [other for other in found if other.view is met.view and other.zone_id != met.zone_id]
    theirs = {cell.zone_id for other in mine for cell in other.cells if cell.passed}
    return met.broker_id is not None and met.whole and bool(mine) and {cell.zone_id for cell in met.cells} <= theirs


def _own_zone_alone(met: Met, others: Sequence[Met]) -> bool:
    connected = {cell.zone_id for cell in met.cells if cell.passed}
    if len(connected) != 1:
        return False
    if connected == {met.zone_id}:
        return True
    if any(cell.zone_id == met.zone_id for cell in met.cells):
        return False
    # The endpoint is in another Region: the zones have other names, and each broker's zone has an address of its own.
    mine = [m for m in others if m.view is met.view]
    places = {m.zone_id: {c.zone_id for c in m.cells if c.passed} for m in mine}
    return len(places) > 1 and len({tuple(sorted(zones)) for zones in places.values()}) == len(places)


def one_zone(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Addresses of the same zones fail for every broker of a client, but for the fewer that are silent everywhere."""
    shape = Shape(case, reds)
    found: list[Met] = []
    for view in shape.tried(*_BEHIND):
        every = shape.of(view)
        mine = [met for met in every if not (met.whole and met.silent)]
        zones = {frozenset(cell.zone_id for cell in met.failed) for met in mine}
        if len(zones) == 1 and len(every) < 2 * len(mine) and all(met.partial for met in mine):
            found.extend(mine)
    if found:
        away = not any(local(met.view) for met in found)  # who is in the VPC of these addresses needs no route to them
        codes = sets.ONE_ZONE if away else sets.ONE_ZONE - {Code.ROUTE_MISSING_SUBNET}
        yield Draft(codes, _SILENT_ZONE, tuple(red for met in found for red in met.open))


# Everything a client tries


def silent_clients(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Clients for which nothing at all answers, by the VPC of the endpoints they use."""
    shape = Shape(case, reds)
    for ipv6 in (False, True):
        yield from _silent_clients(shape, [view for view in shape.tried(*_BEHIND) if is_ipv6(view) is ipv6])


def _silent_clients(shape: Shape, views: Sequence[ClientView]) -> Iterator[Draft]:
    """The same for one family."""
    wide = [view for view in views if shape.wide(view)]
    nodes = [view for view in views if kind(view) is Access.NODES]
    if any(view in wide for view in nodes):
        codes = sets.AT_THE_NLB if len(wide) > 1 else sets.AT_THE_NLB | sets.ONE_CLIENT
        yield Draft(codes, _SILENT_WIDE, shape.reds(wide))
        return
    entries = sorted({view.entry_vpc_id for view in views if kind(view) is Access.ENDPOINT})
    closed = [e for e in entries if _closed(views, wide, e)]
    if len(closed) > 1 and len(closed) == len(entries):
        taken = [view for view in wide if view.entry_vpc_id in closed]
        yield Draft(_all_endpoints(shape, taken, nodes), _SILENT_WIDE, shape.reds(taken))
        closed, wide = [], [view for view in wide if view not in taken]
    for entry in entries:
        mine = [view for view in wide if view.entry_vpc_id == entry]
        if entry in closed:
            yield Draft(_one_entry(shape, mine, entries, nodes), _SILENT_WIDE, shape.reds(mine))
        else:
            yield from _some_of_entry(shape, views, mine)


def _closed(views: Sequence[ClientView], wide: Sequence[ClientView], entry: str) -> bool:
    """Whether nobody gets through the endpoints of a VPC."""
    mine = [view for view in views if view.entry_vpc_id == entry and kind(view) is Access.ENDPOINT]
    return bool(mine) and all(view in wide for view in mine) and any(local(view) for view in mine)


def _at_entry(group: Sequence[ClientView]) -> frozenset[Code]:
    codes: frozenset[Code] = frozenset()
    if any(managed(view) for view in group):
        codes |= sets.AT_THE_CONNECTION
    if any(not managed(view) for view in group):
        codes |= sets.AT_THE_ENDPOINT
    return codes


def _all_endpoints(shape: Shape, group: Sequence[ClientView], nodes: Sequence[ClientView]) -> frozenset[Code]:
    own = all(managed(view) for view in group)
    if any(shape.connects(view) for view in nodes):
        return _at_entry(group) | {Code.SECURITY_NLB_GROUP}
    return _at_entry(group) | (sets.AT_THE_BROKERS if own else sets.AT_THE_NLB)


def _one_entry(
    shape: Shape,
    group: Sequence[ClientView],
    entries: Sequence[str],
    nodes: Sequence[ClientView],
) -> frozenset[Code]:
    codes = _at_entry(group) | {Code.SECURITY_NETWORK_ACL}
    if not all(managed(view) for view in group):
        codes |= {Code.SECURITY_NLB_GROUP}
    if len(group) == 1:
        codes |= sets.ONE_CLIENT
    if len(entries) == 1 and not any(shape.connects(view) for view in nodes):
        codes |= _all_endpoints(shape, group, nodes)
    return codes


def _some_of_entry(shape: Shape, views: Sequence[ClientView], group: Sequence[ClientView]) -> Iterator[Draft]:
    """Some clients of an endpoint VPC, while others get through, or none of them is in that VPC itself."""
    inside = [view for view in group if local(view)]
    if inside:
        codes = sets.ONE_HOST
        if all(managed(view) for view in inside):
            codes -= sets.NLB_OWN
        yield Draft(codes, _SILENT_WIDE, shape.reds(inside))
    away = [view for view in group if not local(view)]
    if not away:
        return
    entry = away[0].entry_vpc_id
    remote = [v for v in views if v.entry_vpc_id == entry and kind(v) is Access.ENDPOINT and not local(v)]
    together = len(away) == len(remote) and len({v.vpc_id for v in away}) > 1
    groups = [away] if together else [[v for v in away if v.vpc_id == vpc] for vpc in sorted({v.vpc_id for v in away})]
    seen_inside = any(v.entry_vpc_id == entry and local(v) for v in views)
    for found in groups:
        codes = sets.ACCESS | by_way(shape, remote, found)
        if len({view.vpc_id for view in found}) == 1:
            codes |= sets.ONE_VPC
        if not seen_inside:
            codes |= _at_entry(found) | sets.AT_THE_NLB
        yield Draft(codes, _SILENT_WIDE, shape.reds(found))


# One broker


def single_brokers(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Brokers that do not connect at any address, for clients that reach others."""
    shape = Shape(case, reds)
    for ipv6 in (False, True):
        views = [v for v in shape.tried(*_BEHIND) if is_ipv6(v) is ipv6 and not shape.wide(v)]
        yield from _single_brokers(shape, views)


def _single_brokers(shape: Shape, views: Sequence[ClientView]) -> Iterator[Draft]:
    """The same for one family."""
    refused = [v for v in views if all(m.whole and m.refused for m in shape.of(v)) and any(m.open for m in shape.of(v))]
    if refused:
        own = all(managed(view) for view in refused)
        alive = any(_direct_says(shape, broker.broker_id) for view in refused for broker in view.brokers)
        codes = sets.EVERY_BROKER_REFUSED - (sets.NLB_OWN if own else frozenset())
        yield Draft(codes - ({Code.CLUSTER_BROKER_DOWN} if alive else frozenset()), _REFUSED_WIDE, shape.reds(refused))
    chosen = {view.client for view in views if view not in refused}
    mine = [met for met in shape.met if met.view.client in chosen]
    groups: dict[tuple[bool, tuple[str, ...], str], list[Met]] = {}
    for met in mine:
        if met.whole and met.open and (met.silent or met.refused):
            same = [m for m in mine if m.broker_id == met.broker_id and m.whole and m.silent is met.silent]
            clients = tuple(sorted(m.view.client for m in same))
            groups.setdefault((met.silent, clients, str(met.broker_id)), []).append(met)
    for (silent, _, _), found in sorted(groups.items()):
        codes = _silent(mine, found) if silent else _refused(shape, found)
        if found[0].broker_id is None:
            wrong = _SILENT_BOOTSTRAP if silent else _REFUSED_BOOTSTRAP
        else:
            wrong = _SILENT_BROKER if silent else _REFUSED_BROKER
        elsewhere = {met.view.client for met in mine if any(cell.passed for cell in met.cells)}
        if elsewhere >= {met.view.client for met in found}:
            wrong += _OTHERS[wrong]
        yield Draft(codes, wrong, tuple(red for met in found for red in met.open))


def _direct_says(shape: Shape, broker_id: int | None) -> bool:
    """Whether a client at the ENI itself gets an answer from the broker."""
    return any(
        met.broker_id == broker_id and kind(met.view) is Access.DIRECT and any(cell.passed for cell in met.cells)
        for met in shape.met
    )


def _refused(shape: Shape, found: Sequence[Met]) -> frozenset[Code]:
    broker_id = found[0].broker_id
    codes = sets.ONE_BROKER_REFUSED
    own = all(managed(met.view) for met in found)
    if own:
        codes -= sets.NLB_OWN
    if broker_id is None or _direct_says(shape, broker_id):
        codes -= {Code.CLUSTER_BROKER_DOWN}
    if own and shape.case.listed(broker_id) is not False:
        codes |= sets.SCHEME_OFF
    return codes


def _silent(mine: Sequence[Met], found: Sequence[Met]) -> frozenset[Code]:
    broker_id = found[0].broker_id
    entries = {met.view.entry_vpc_id for met in found}
    others = [m for m in mine if m.broker_id == broker_id and any(c.passed for c in m.cells)]
    own = all(managed(met.view) for met in found)
    shared = any(not spec_of(met.view.pattern).has_endpoint_per_broker for met in found)
    at_nodes = any(kind(met.view) is Access.NODES for met in found)
    at_endpoint = sets.ONE_PORT if shared else sets.ONE_ENDPOINT_VPC
    if others and any(m.view.entry_vpc_id in entries for m in others):
        # The same endpoint serves this broker for another client.
        return sets.ONE_PORT if shared else sets.ONE_HOST - {Code.SECURITY_CLIENT_GROUP}
    if others:
        return at_endpoint if own else at_endpoint | {Code.SECURITY_NLB_GROUP}
    codes = sets.ONE_BROKER_SILENT - (sets.NLB_OWN if own else frozenset())
    if broker_id is None:
        codes -= {Code.SECURITY_BROKER_GROUP}  # the brokers behind that listener are reached by their own
    if not at_nodes and (shared or not own):
        codes |= at_endpoint
    return codes
