"""What all clients saw, indexed for rules; and what a rule says. Pure.

A rule is a function from a case and the red checks that are left to drafts. It says what it knows
and claims the reds it explains; what a finding reads like is not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, TypeVar

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.between_clients import Told, told_listeners
from brokerproof.diagnosis.certificates import Shown, shown
from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.diagnosis.membership import Lists, lists_of
from brokerproof.diagnosis.outcome_index import first_look, is_of_another, second_look
from brokerproof.probes.outcome import Facts, HostFacts, MetadataFacts, Outcome, Reason, Role, Stage, Status
from brokerproof.probes.outcome.registry import ORDER
from brokerproof.topology.expectation.view import AddressKind, BrokerView, ClientView, Way
from brokerproof.topology.patterns import spec_of


@dataclass(frozen=True, slots=True)
class Red:
    """A failed check of one client."""

    view: ClientView
    check: Check

    @property
    def key(self) -> str:
        """As findings name their evidence."""
        return f"{self.view.client}/{self.check.check_id}"

    @property
    def client(self) -> str:
        """The client's name."""
        return self.view.client


class Named(str):
    """A rule's sentence that names the one cause itself; any other states what was seen, whatever the cause."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rule says: the causes that are left, a sentence, and the reds that are explained."""

    codes: frozenset[Code]
    wrong: str
    """What was seen, or :class:`Named`; empty where the cause's own title says all."""
    reds: tuple[Red, ...]
    account: str = ""
    """What the account's configuration says of it; empty where it was not read."""


F = TypeVar("F", bound=Facts)

TWICE: Final = 2
"""A witness is seen so often, or by so many clients, before one cause is said alone."""

Said = tuple[frozenset[Code], str]
"""The causes that are left, and a sentence; without one the title of the one cause is told."""


class Access(StrEnum):
    """What stands between a client and the brokers."""

    DIRECT = "direct"
    NODES = "nodes"
    """The NLB's own nodes, from inside its VPC."""
    ENDPOINT = "endpoint"


def kind(view: ClientView) -> Access:
    """What the client's addresses are."""
    kinds = {address.kind for broker in view.brokers for address in broker.addresses}
    if AddressKind.ENDPOINT_ENI in kinds:
        return Access.ENDPOINT
    return Access.NODES if AddressKind.NLB_NODE in kinds else Access.DIRECT


def managed(view: ClientView) -> bool:
    """Whether MSK runs the load balancer itself."""
    return spec_of(view.pattern).is_managed


def behind_own(view: ClientView) -> bool:
    """Whether there is a load balancer of the account's own between this client and the brokers."""
    return kind(view) is not Access.DIRECT and not managed(view)


def local(view: ClientView) -> bool:
    """Whether the client is in the VPC of the addresses it connects to."""
    return view.way is Way.LOCAL


@dataclass(frozen=True, slots=True)
class Cell:
    """One address of one name and port, as one client met it."""

    view: ClientView
    check: Check
    zone_id: str
    """Of the address."""
    connected: bool
    """At least one attempt did."""

    @property
    def passed(self) -> bool:
        """It connected, each time or now and then: what fails now and then has no shape of its own."""
        return self.check.verdict is Verdict.PASSED or self.connected

    @property
    def reason(self) -> Reason | None:
        """Why it did not; None where it did."""
        return self.check.reason

    @property
    def red(self) -> Red:
        """As a red."""
        return Red(self.view, self.check)


class Case:
    """Everything that the clients of one topology saw, whatever the order it came in. Each has a name of its own."""

    def __init__(self, clients: Iterable[ClientEvidence]) -> None:
        self.clients: tuple[ClientEvidence, ...] = tuple(sorted(clients, key=lambda s: (s.view.client, s.view.pattern)))
        self.views: tuple[ClientView, ...] = tuple(seen.view for seen in self.clients)
        self._by_client = {seen.view.client: seen for seen in self.clients}

    @cached_property
    def reds(self) -> tuple[Red, ...]:
        """Every failed check, in the order of clients, stages and ids."""
        found = [
            Red(seen.view, check) for seen in self.clients for check in seen.checks if check.verdict is Verdict.FAILED
        ]
        return tuple(sorted(found, key=lambda r: (r.client, ORDER[r.check.stage], r.check.check_id)))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every address that had to connect and was tried."""
        return tuple(self._cells())

    def _cells(self) -> Iterator[Cell]:
        for seen in self.clients:
            met = [*(b.addresses for b in seen.view.brokers), *(b.addresses for b in seen.view.bootstrap)]
            zones = {address.address: address.zone_id for addresses in met for address in addresses}
            for check in sorted(seen.checks, key=lambda c: c.check_id):
                tried = check.verdict in {Verdict.PASSED, Verdict.FAILED}
                if check.stage is Stage.CONNECT and not check.isolation and tried:
                    attempts = _judged(check, self.of_stage(seen.view, Stage.CONNECT))
                    connected = any(o.status is Status.OK for o in attempts)
                    yield Cell(seen.view, check, zones.get(check.address, ""), connected)

    @cached_property
    def certificates(self) -> tuple[Shown, ...]:
        """Every certificate that a client was content with."""
        return shown(self.clients)

    @cached_property
    def told(self) -> Told:
        """Where brokers say that they advertise each of their listeners."""
        return told_listeners(self.clients)

    def outcomes(self, red: Red) -> tuple[Outcome, ...]:
        """The outcomes a red check was judged from, by stage and target, in a fixed order."""
        found = _judged(red.check, self.of_stage(red.view, red.check.stage))
        return tuple(sorted(found, key=lambda o: (o.target.name, o.target.address, o.target.port, o.attempt, repr(o))))

    def facts(self, red: Red, kind: type[F]) -> F | None:
        """The first facts of a kind among the outcomes a red check was judged from."""
        return next((o.facts for o in self.outcomes(red) if isinstance(o.facts, kind)), None)

    def earlier(self, red: Red, stage: Stage) -> tuple[Outcome, ...]:
        """Outcomes of another stage at the red check's own name, address and port."""
        return tuple(o for o in self.of_stage(red.view, stage) if o.target.place == red.check.place)

    def of_stage(self, view: ClientView, stage: Stage) -> tuple[Outcome, ...]:
        """Every outcome of one stage of one client."""
        return self._by_stage.get((view.client, stage), ())

    @cached_property
    def _by_stage(self) -> dict[tuple[str, Stage], tuple[Outcome, ...]]:
        found: dict[tuple[str, Stage], list[Outcome]] = {}
        for seen in self.clients:
            for outcome in self.all_outcomes(seen.view):
                found.setdefault((seen.view.client, outcome.stage), []).append(outcome)
        return {key: tuple(outcomes) for key, outcomes in found.items()}

    def all_outcomes(self, view: ClientView) -> tuple[Outcome, ...]:
        """Every outcome of one client's first look, but of what nobody has."""
        return self._on_the_path[view.client]

    @cached_property
    def _on_the_path(self) -> dict[str, tuple[Outcome, ...]]:
        return {
            seen.view.client: first_look(o for o in seen.outcomes if o.target.role is not Role.CONTROL)
            for seen in self.clients
        }

    def controls(self, view: ClientView, stage: Stage) -> tuple[Outcome, ...]:
        """The outcomes of one stage at names or addresses that nobody has."""
        return tuple(
            o for o in self._by_client[view.client].outcomes if o.stage is stage and o.target.role is Role.CONTROL
        )

    def host(self, view: ClientView) -> HostFacts | None:
        """What the client's host is set to; None where its probe did not say."""
        return self._by_client[view.client].host

    def again(self, red: Red) -> tuple[Outcome, ...]:
        """What the second look observed of what a red check was judged from; empty where there was none.

        Empty as well where the probe was content and only the comparison was not: content again says nothing.
        """
        return tuple(_judged(red.check, self.looked_again(red.view))) if red.check.reason is not None else ()

    def looked_again(self, view: ClientView) -> tuple[Outcome, ...]:
        """Every outcome of one client's second look."""
        return self._again.get(view.client, ())

    def began_ns(self, view: ClientView) -> int:
        """Unix time at which a client's clock was zero; 0 where it is not known."""
        return self._by_client[view.client].began_ns

    @cached_property
    def _again(self) -> dict[str, tuple[Outcome, ...]]:
        return {seen.view.client: second_look(seen.outcomes) for seen in self.clients}

    def lists(self, view: ClientView) -> Lists:
        """Which brokers each broker lists, as one client was told."""
        return self._lists[view.client]

    @cached_property
    def _lists(self) -> dict[str, Lists]:
        return {view.client: lists_of(self.all_outcomes(view)) for view in self.views}

    def checks(self, view: ClientView) -> tuple[Check, ...]:
        """Every check of one client."""
        return self._by_client[view.client].checks

    def listed(self, broker_id: int | None) -> bool | None:
        """Whether any metadata answer lists the broker; None where none was read."""
        answers = [o.facts for s in self.clients for o in first_look(s.outcomes) if isinstance(o.facts, MetadataFacts)]
        if not answers:
            return None
        return any(broker.broker_id == broker_id for facts in answers for broker in facts.brokers)


Rule = Callable[[Case, Sequence[Red]], Iterable[Draft]]


def _judged(check: Check, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Those of the check's stage and subject."""
    return (o for o in outcomes if o.stage is check.stage and o.target.role is not Role.FORBIDDEN and _is_of(o, check))


def _is_of(outcome: Outcome, check: Check) -> bool:
    target = outcome.target
    if check.stage is Stage.RESOLVE:
        return target.name.lower() == check.name.lower()
    if check.subject is Subject.CLUSTER:
        return True
    if check.address:
        return not is_of_another(outcome) and target.place == check.place
    return target.broker_id == check.broker_id


def broker_of(red: Red) -> BrokerView | None:
    """The broker a red check is about, as its client must see it."""
    return next((b for b in red.view.brokers if b.broker_id == red.check.broker_id), None)


def grouped(reds: Iterable[tuple[frozenset[Code], str, Red]]) -> Iterator[Draft]:
    """One draft for all reds with the same causes and the same sentence."""
    groups: dict[tuple[frozenset[Code], str], list[Red]] = {}
    for codes, wrong, red in reds:
        groups.setdefault((codes, wrong), []).append(red)
    for (codes, wrong), found in groups.items():
        yield Draft(codes, wrong, tuple(found))
