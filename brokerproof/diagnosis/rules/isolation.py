"""Rules of what must not work and does. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Assertion
from brokerproof.diagnosis.rules.case import Access, Case, Draft, Named, Red, grouped, kind, local
from brokerproof.diagnosis.rules.connect import SILENT_WIDE, from_outside
from brokerproof.diagnosis.rules.shape import Shape
from brokerproof.probes.outcome import Outcome, Reason, Role, Stage, Status
from brokerproof.topology.expectation.view import BrokerView, ClientView
from brokerproof.topology.patterns import spec_of

PLAINTEXT_PORT: Final = 9092
"""Apache Kafka's plaintext port on MSK (MSK developer guide, port information)."""
_GOT_THERE: Final = (Reason.REFUSED, Reason.RESET)
"""A host refuses only what reached it: the groups and routes on the way let it through."""
_REFUSED: Final = Named("ports that should be closed are let through: the hosts refuse, since nothing listens there")


def open_doors(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Connections that must not work and were accepted, or refused where silence was due.

    Names that private zones hide are isolation of another kind, and a rule of names.
    """
    mine = [red for red in reds if red.check.isolation or red.check.asserts is Assertion.SOURCE]
    return map(_told_truly, grouped(_said(case, mine)))


def _told_truly(draft: Draft) -> Draft:
    """Where every host refused: packets come through, and nothing answers them but the host itself."""
    if draft.codes == {Code.ISOLATION_PORTS_OPEN} and all(red.check.reason in _GOT_THERE for red in draft.reds):
        return Draft(draft.codes, _REFUSED, draft.reds)
    return draft


def apart(case: Case, drafts: Sequence[Draft]) -> list[Draft]:
    """Clients for whom those ports of the brokers are silent as well at which others are refused: they have two causes.

    What closes the brokers' own port is the same for all; something nearer to these clients closes every port. Of
    clients that meet the brokers themselves: past a load balancer there is another way, which must not be open at all.
    """
    return [part for draft in drafts for part in _parts(case, draft)]


def _parts(case: Case, draft: Draft) -> Iterator[Draft]:
    if Code.SECURITY_BROKER_GROUP not in draft.codes:
        yield draft
        return
    views = {red.client: red.view for red in draft.reds}.values()
    direct = [view for view in views if kind(view) is Access.DIRECT]
    ports = {_port(o) for view in direct for o in _forbidden(case, view) if _reached(o)}
    stopped = {view.client for view in direct if _is_silent_there(case, view, ports)}
    here = tuple(red for red in draft.reds if red.client not in stopped)
    yield Draft(draft.codes, draft.wrong, here) if here else draft
    if not here:
        return
    left = [red for red in draft.reds if red.client in stopped]
    shape = Shape(case, left)
    for vpc_id in sorted({red.view.vpc_id for red in left}):
        reds = tuple(red for red in left if red.view.vpc_id == vpc_id)
        group = list({red.client: red.view for red in reds}.values())
        codes = sets.AT_THE_BROKERS | sets.ONE_CLIENT if local(group[0]) else from_outside(shape, group)
        yield Draft(codes, SILENT_WIDE, reds)


def _is_silent_there(case: Case, view: ClientView, ports: Collection[tuple[str, int]]) -> bool:
    """Whether the client tried some of these ports, and none answered it."""
    tried = [o for o in _forbidden(case, view) if _port(o) in ports]
    return bool(tried) and all(o.reason is Reason.TIMED_OUT for o in tried)


def _forbidden(case: Case, view: ClientView) -> Iterator[Outcome]:
    return (o for o in case.of_stage(view, Stage.CONNECT) if o.target.role is Role.FORBIDDEN)


def _port(outcome: Outcome) -> tuple[str, int]:
    return outcome.target.address, outcome.target.port


def _reached(outcome: Outcome) -> bool:
    return outcome.status is Status.OK or outcome.reason in _GOT_THERE


def with_wrong_port(case: Case, drafts: Sequence[Draft]) -> list[Draft]:
    """One cause where brokers are silent at their own port and another port of theirs is open instead.

    A group that admits one wrong port makes both; where every port is open, the silence is another matter, and so it
    is where that port is silent for those who meet silence.
    """
    closed = next((d for d in drafts if Code.SECURITY_BROKER_GROUP in d.codes), None)
    opened = _of(Code.ISOLATION_PORTS_OPEN, drafts)
    if closed is None or opened is None or not all(_is_one_of_several_ports(case, red) for red in opened.reds):
        return list(drafts)
    ports = {(red.check.address, red.check.port) for red in opened.reds}
    if all(_is_silent_there(case, red.view, ports) for red in closed.reds):
        return list(drafts)
    said = Named("the brokers' security group admits another port than the one they listen at")
    both = Draft(frozenset({Code.SECURITY_BROKER_GROUP}), said, (*closed.reds, *opened.reds))
    return [both if draft is closed else draft for draft in drafts if draft is not opened]


def with_outsiders(case: Case, drafts: Sequence[Draft]) -> list[Draft]:
    """One cause where every port of a broker is open, and a host beside the clients connects to it as well.

    A rule that admits every port admits the brokers' own too, for whomever it names; the way there is the clients'.
    """
    opened, outsiders = _of(Code.ISOLATION_PORTS_OPEN, drafts), _of(Code.ISOLATION_UNAPPROVED_CLIENT, drafts)
    if opened is None or outsiders is None:
        return list(drafts)
    wide = {red.check.address for red in opened.reds if not _is_one_of_several_ports(case, red)}
    approved = {view.vpc_id for view in case.views if view.brokers}
    same = tuple(r for r in outsiders.reds if r.check.address in wide and r.view.vpc_id in approved)
    left = tuple(r for r in outsiders.reds if r not in same)
    both = Draft(opened.codes, opened.wrong, (*opened.reds, *same))
    remaining = [Draft(outsiders.codes, outsiders.wrong, left)] if left else []
    others = [d for d in drafts if d is not opened and d is not outsiders]
    return [*others, both, *remaining]


def _of(code: Code, drafts: Sequence[Draft]) -> Draft | None:
    """The draft of this cause alone."""
    return next((draft for draft in drafts if draft.codes == {code}), None)


def _is_one_of_several_ports(case: Case, red: Red) -> bool:
    """Whether a broker's own interface let this port through, and not others that were tried."""
    mine = [o for o in case.all_outcomes(red.view) if o.target.role is Role.FORBIDDEN]
    at_eni = any(red.check.address == broker.eni_address for broker in red.view.brokers)
    others = [o for o in mine if o.target.address == red.check.address and o.target.port != red.check.port]
    return at_eni and any(o.reason is Reason.TIMED_OUT for o in others)


def _said(case: Case, reds: Sequence[Red]) -> Iterator[tuple[frozenset[Code], str, Red]]:
    for red in reds:
        code = _code(case, red)
        if code is not None:
            yield frozenset({code}), "", red


def _code(case: Case, red: Red) -> Code | None:
    check = red.check
    if check.asserts is Assertion.SOURCE:
        return Code.ISOLATION_SECOND_PATH if spec_of(red.view.pattern).is_one_way else None
    reached = check.reason is None or check.reason in _GOT_THERE
    if not reached:
        return None
    if check.asserts is Assertion.DEAD_ADDRESS:
        through_listener = kind(red.view) is not Access.DIRECT
        return Code.NLB_CROSS_ZONE_ON if through_listener else Code.ISOLATION_PORTS_OPEN
    if _is_way_back(case, red):
        return Code.ISOLATION_SECOND_PATH
    if not red.view.brokers:
        return Code.ISOLATION_UNAPPROVED_CLIENT
    return _of_client(case, red)


def _is_way_back(case: Case, red: Red) -> bool:
    """Whether it leads to a host that is no broker of anybody's: back along a path that must be one-way."""
    path = {where for view in case.views for broker in view.brokers for where in _where(broker)}
    one_way = any(spec_of(view.pattern).is_one_way for view in case.views)
    return one_way and bool(path) and red.check.address not in path


def _of_client(case: Case, red: Red) -> Code | None:
    check, view = red.check, red.view
    enis = {broker.eni_address for broker in view.brokers}
    if check.port == PLAINTEXT_PORT and _accepted(case, red):
        return Code.ISOLATION_PLAINTEXT_OPEN
    if kind(view) is Access.DIRECT or check.address not in enis:
        mine = {a.address for b in view.brokers for a in b.addresses}
        if check.address in mine:
            return Code.ISOLATION_PORTS_OPEN
        return (
            Code.ISOLATION_SECOND_PATH
            if local(view) and spec_of(view.pattern).is_one_way
            else Code.ISOLATION_PORTS_OPEN
        )
    return Code.ISOLATION_SECOND_PATH


def _where(broker: BrokerView) -> Iterator[str]:
    """Every address of a broker, as a client or anybody beside it knows them."""
    yield broker.eni_address
    yield from (address.address for address in broker.addresses)


def _accepted(case: Case, red: Red) -> bool:
    """Whether something listens there; a refusal only shows that the port is let through."""
    return any(_is_of(outcome, red) and outcome.status is Status.OK for outcome in case.all_outcomes(red.view))


def _is_of(outcome: Outcome, red: Red) -> bool:
    target = outcome.target
    where = (target.address, target.port) == (red.check.address, red.check.port)
    return outcome.stage is Stage.CONNECT and target.role is Role.FORBIDDEN and where
