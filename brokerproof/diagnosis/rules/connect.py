"""Rules of connecting to the broker ENIs themselves, and of failures without a shape. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.lost_syn import SYN_REPEATED_NS
from brokerproof.diagnosis.rules.case import TWICE, Access, Case, Draft, Red, kind, local
from brokerproof.diagnosis.rules.shape import REFUSALS, SILENCE, Met, Shape, is_ipv6
from brokerproof.probes.outcome import Reason, Stage, Status
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.topology.expectation.view import ClientView, Way

SILENT_WIDE = "connections vanish on the way: no broker answers"
_SILENT_BROKER = "connections vanish on the way to {one}, and others do not"


def now_and_then(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Attempts at one address of which some connect: something is lost, whatever the address."""
    connects = [red for red in reds if red.check.stage is Stage.CONNECT and not red.check.isolation]
    mixed = [red for red in connects if is_mixed(case, red)]
    at_bootstrap = [red for red in mixed if red.check.broker_id is None]
    at_brokers = [red for red in mixed if red not in at_bootstrap]
    refused = [red for red in at_brokers if red.check.reason in REFUSALS]
    for found in (at_bootstrap, refused, [red for red in at_brokers if red not in refused]):
        if not found:
            continue
        fronted = any(kind(red.view) is not Access.DIRECT for red in found)
        target = frozenset({Code.NLB_BOOTSTRAP_TARGET_DEAD}) if fronted and found is at_bootstrap else frozenset()
        if target and len(mixed) == len(at_bootstrap) and _is_of_listener(case, found):
            yield Draft(target, "", tuple(found))
        elif found is refused:
            codes = sets.PARTLY_REFUSED if fronted else sets.PARTLY_REFUSED_DIRECT
            yield Draft(codes, "connections are refused now and then", tuple(found))
        else:
            ports = frozenset({Code.NLB_PORTS_EXHAUSTED}) if fronted else frozenset()
            ended = frozenset({Code.TRANSIENT_OVER}) if _failed_until_it_worked(case, found) else frozenset()
            yield Draft(sets.NOW_AND_THEN | ports | target | ended, "connections fail now and then", tuple(found))


def _failed_until_it_worked(case: Case, found: Sequence[Red]) -> bool:
    """Whether every failure came before every success: by chance, or because something ended meanwhile."""
    tried = [o for red in found for o in (*case.outcomes(red), *case.again(red))]
    failures = [o.started_ns for o in tried if o.status is Status.FAILED]
    successes = [o.started_ns for o in tried if o.status is Status.OK]
    if not failures or not successes or any(loses(case, red.view) for red in found):
        return False
    return len({red.client for red in found}) == 1 and max(failures) < min(successes)


def _is_of_listener(case: Case, at_bootstrap: Sequence[Red]) -> bool:
    """Whether the failures are the bootstrap listener's own, where no broker's port has any.

    What is lost is silent, so a refusal is an answer of one of its targets: two are no accident. Silence is told from
    loss by a second client that meets it at this port alone.
    """
    refusals = [o for red in at_bootstrap for o in case.outcomes(red) if o.reason in REFUSALS]
    return len(refusals) >= TWICE or len({red.client for red in at_bootstrap}) >= TWICE


def is_mixed(case: Case, red: Red) -> bool:
    """Whether some attempts worked and some did not."""
    statuses = {o.status for o in case.outcomes(red)}
    return red.check.reason is Reason.INTERMITTENT or {Status.OK, Status.FAILED} <= statuses


def brokers_down(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Brokers whose port refuses: they do not run where the others' metadata misses them.

    A host refuses what reaches it and finds no listener. Where every broker does, and nobody heard of a broker at all,
    the listener may be one that is not turned on.
    """
    shape = Shape(case, reds)
    refused = [met for met in shape.met if met.refused and met.whole and met.broker_id is not None]
    at_eni = {met.broker_id for met in refused if kind(met.view) is Access.DIRECT}
    missed = {met.broker_id for met in refused if case.listed(met.broker_id) is False}
    answering = {met.broker_id for met in shape.met if any(cell.passed for cell in met.cells) and _is_itself(case, met)}
    down = missed - answering
    found = [red for met in refused if met.broker_id in down for red in met.open]
    if found:
        yield Draft(frozenset({Code.CLUSTER_BROKER_DOWN}), "", (*found, *_at_bootstrap(shape)))
    closed = at_eni - down
    found = [red for met in refused if met.broker_id in closed for red in met.open]
    if not found:
        return
    views = {met.view.client: met.view for met in refused if met.broker_id in closed}.values()
    every = all(b.broker_id in closed for view in views for b in view.brokers)
    if not every and all(len({m.view.client for m in refused if m.broker_id == one}) >= TWICE for one in closed):
        # Listeners are turned on for all brokers at once, and a host that others share is none of one client's.
        yield Draft(frozenset({Code.CLUSTER_BROKER_DOWN}), "", (*found, *_at_bootstrap(shape)))
        return
    if every and _another_port_answers(case, views):
        yield Draft(frozenset({Code.LISTENER_NOT_ENABLED}), "", (*found, *_at_bootstrap(shape, whole=True)))
    else:
        said = "every broker refuses its port" if every else "{some} not listen at the port"
        yield Draft(sets.NOBODY_LISTENS, said, (*found, *_at_bootstrap(shape, whole=every)))


def _at_bootstrap(shape: Shape, *, whole: bool = False) -> list[Red]:
    """What is refused at the bootstrap listener, by those of its targets that do not listen."""
    return [
        red for met in shape.met if met.broker_id is None and met.refused and (met.partial or whole) for red in met.open
    ]


def _is_itself(case: Case, met: Met) -> bool:
    """Whether what connected is the broker: at its own interface, or by what it said."""
    if kind(met.view) is Access.DIRECT:
        return True
    return any(
        c.stage is Stage.IDENTITY and c.broker_id == met.broker_id and c.verdict is Verdict.PASSED
        for c in case.checks(met.view)
    )


def _another_port_answers(case: Case, views: Iterable[ClientView]) -> bool:
    """Whether another port of these brokers' own interfaces accepts connections."""
    enis = {broker.eni_address for view in views for broker in view.brokers}
    ports = {(broker.eni_address, broker.port) for view in views for broker in view.brokers}
    return any(
        outcome.status is Status.OK
        and outcome.target.address in enis
        and (outcome.target.address, outcome.target.port) not in ports
        for view in case.views
        for outcome in case.of_stage(view, Stage.CONNECT)
    )


def without_shape(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Silence here and there, and elsewhere the second a repeated SYN takes: packets get lost."""
    if not any(loses(case, view) for view in case.views):
        return
    shape = Shape(case, reds)
    found = [red for met in shape.met if not shape.wide(met.view) for red in met.open if red.check.reason in SILENCE]
    yield from _lost(found)


def second_connections(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """A stage that takes a connection of its own and did not get it, for a client that loses packets elsewhere."""
    found = [
        red
        for red in reds
        if SPECS[red.check.stage].brokers_only
        and red.check.reason in SILENCE
        and all(outcome.facts is None for outcome in case.outcomes(red))
        and loses(case, red.view)
    ]
    yield from _lost(found)


def loses(case: Case, view: ClientView) -> bool:
    """Whether the client's connections took the second that a repeated SYN takes."""
    return any(
        outcome.stage is Stage.CONNECT and outcome.status is Status.OK and outcome.duration_ns >= SYN_REPEATED_NS
        for outcome in case.all_outcomes(view)
    )


def losses_as_one(_case: Case, drafts: Sequence[Draft]) -> list[Draft]:
    """Losses are one cause, whether some attempts at an address, all of them or a later connection met them."""
    found: dict[frozenset[Code] | int, Draft] = {}
    for place, draft in enumerate(drafts):
        alike = draft.codes if Code.TCP_PACKET_LOSS in draft.codes else place
        first = found.get(alike)
        found[alike] = draft if first is None else Draft(first.codes, first.wrong, (*first.reds, *draft.reds))
    return list(found.values())


def _lost(found: Sequence[Red]) -> Iterator[Draft]:
    if found:
        fronted = any(kind(red.view) is not Access.DIRECT for red in found)
        ports = frozenset({Code.NLB_PORTS_EXHAUSTED}) if fronted else frozenset()
        yield Draft(sets.NOW_AND_THEN | ports, "some connections fail, and others take a second more", tuple(found))


# Silence on the way to the ENIs


def direct(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Clients that connect to the broker ENIs: whole clients first, then single brokers."""
    shape = Shape(case, reds)
    for ipv6 in (False, True):
        views = [view for view in shape.tried(Access.DIRECT) if is_ipv6(view) is ipv6]
        wide = [view for view in views if shape.wide(view)]
        yield from _wide(shape, views, wide)
        yield from _single(shape, [view for view in views if view not in wide])


def _wide(shape: Shape, views: list[ClientView], wide: list[ClientView]) -> Iterator[Draft]:
    inside = [view for view in wide if local(view)]
    outside = [view for view in wide if not local(view)]
    if inside and not all(shape.wide(view) for view in views if local(view)):
        yield Draft(sets.AT_THE_BROKERS | sets.ONE_CLIENT, SILENT_WIDE, shape.reds(inside))
    elif inside:
        # Whatever closes the brokers to their own VPC closes them to everybody, behind load balancers too.
        fronted = [v for v in shape.tried(Access.NODES, Access.ENDPOINT) if shape.wide(v)]
        every = len(views) == len(wide) and (len(views) > 1 or bool(fronted))
        codes = sets.AT_THE_BROKERS if every else sets.AT_THE_BROKERS | sets.ONE_CLIENT
        taken = [*inside, *outside, *fronted] if every or fronted else inside
        yield Draft(codes, SILENT_WIDE, shape.reds(taken))
        outside = [] if taken is not inside else outside
    for group in _groups(views, outside):
        yield Draft(from_outside(shape, group), SILENT_WIDE, shape.reds(group))


def _groups(views: list[ClientView], wide: list[ClientView]) -> Iterator[list[ClientView]]:
    """Which clients are silent together: all beyond the cluster VPC, all of another Region, or each VPC alone."""
    if not wide:
        return
    beyond = [view for view in views if not local(view)]
    far = [view for view in beyond if _cross_gateway(view)]
    if len(wide) == len(beyond):
        yield wide
    elif far and all(view in wide for view in far):
        yield far
        yield from _by_vpc([view for view in wide if view not in far])
    else:
        yield from _by_vpc(wide)


def _by_vpc(views: list[ClientView]) -> Iterator[list[ClientView]]:
    for vpc_id in sorted({view.vpc_id for view in views}):
        yield [view for view in views if view.vpc_id == vpc_id]


def _cross_gateway(view: ClientView) -> bool:
    return view.way is Way.TRANSIT_GATEWAY and view.region_name != view.entry_region_name


def from_outside(shape: Shape, group: Sequence[ClientView]) -> frozenset[Code]:
    """What may silence all brokers for these clients, none of which is in the cluster VPC."""
    vpcs = {view.vpc_id for view in group}
    codes = sets.BACK_AND_IN | by_way(shape, shape.tried(Access.DIRECT), group)
    if len(vpcs) == 1:
        codes |= sets.ONE_VPC
    return codes


def by_way(shape: Shape, views: Sequence[ClientView], group: Sequence[ClientView]) -> frozenset[Code]:
    """The causes of the peerings and gateways these clients come by, less what other clients exclude."""
    vpcs = {view.vpc_id for view in group}
    by_gateway = [view for view in group if view.way is Way.TRANSIT_GATEWAY]
    through = [view for view in views if view.vpc_id in vpcs and view not in group and shape.connects(view)]
    if through:  # another client of the same VPC gets through, so what joins the VPCs works, there
        zones = {view.zone_id for view in through}
        elsewhere = len(by_gateway) == len(group) and zones.isdisjoint(view.zone_id for view in group)
        return sets.ATTACHED_ZONE if elsewhere else frozenset()
    codes: frozenset[Code] = frozenset()
    if any(view.way is Way.PEERING for view in group):
        codes |= sets.BY_PEERING
    if not by_gateway:
        return codes
    if len(by_gateway) < len(group):
        return frozenset()  # no peering and no gateway joins all of them
    near = [v for v in views if v.way is Way.TRANSIT_GATEWAY and not _cross_gateway(v) and v not in group]
    far = all(_cross_gateway(view) for view in by_gateway)
    others_far = [v for v in views if _cross_gateway(v) and v not in group and shape.connects(v)]
    if far:
        codes |= sets.BETWEEN_GATEWAYS - ({Code.ROUTE_GATEWAY_PEERING_PENDING} if others_far else frozenset())
    if not far or len(vpcs) == 1 or not any(shape.connects(view) for view in near):
        codes |= sets.BY_GATEWAY
    return codes | sets.ATTACHED_ZONE if len(vpcs) == 1 else codes


def _single(shape: Shape, views: list[ClientView]) -> Iterator[Draft]:
    """Single brokers that are silent for clients that reach others."""
    chosen = {view.client for view in views}
    silent = [met for met in shape.met if met.view.client in chosen and met.whole and met.silent and met.open]
    groups: dict[tuple[tuple[str, ...], str], list[Met]] = {}
    for met in silent:
        clients = tuple(sorted(m.view.client for m in silent if m.broker_id == met.broker_id))
        groups.setdefault((clients, met.zone_id or str(met.broker_id)), []).append(met)
    for _, found in sorted(groups.items()):
        ids = {met.broker_id for met in found}
        at_fault = [met.view for met in found]
        if any(local(view) for view in at_fault):
            through_listener = [
                m
                for m in shape.met
                if m.broker_id in ids and kind(m.view) is not Access.DIRECT and m.whole and m.silent
            ]
            taken = [*found, *(m for m in through_listener if not shape.wide(m.view))]
            codes = sets.AT_THE_BROKERS
        else:
            taken = found
            by_gateway = any(view.way is Way.TRANSIT_GATEWAY for view in at_fault)
            codes = sets.ONE_SUBNET_BY_GATEWAY if by_gateway else sets.ONE_SUBNET
        yield Draft(codes, _SILENT_BROKER, tuple(red for met in taken for red in met.open))
