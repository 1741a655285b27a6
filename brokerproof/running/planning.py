"""A client's view turned into a plan, and its run turned into checks. No pytest here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.check import Check
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence, Finding
from brokerproof.diagnosis.found_addresses import with_found_addresses
from brokerproof.diagnosis.judge import judge
from brokerproof.diagnosis.outcome_index import first_look
from brokerproof.probes.outcome import Outcome, Stage
from brokerproof.probes.outcome.permissions import ASKED_WITHOUT_EFFECT
from brokerproof.probes.plan import (
    VERIFY_STAGES,
    Authentication,
    AuthenticationScheme,
    ControlConnect,
    Endpoint,
    ForbiddenConnect,
    Limits,
    Plan,
    ThroughputPlan,
    Tls,
    TopicMode,
    TopicPlan,
)
from brokerproof.running.amount import FULL_LOAD, Amount, measurements
from brokerproof.topology.expectation.view import AddressKind, ClientView, NotJudged
from brokerproof.topology.models import Client
from brokerproof.vantages.protocol import VantageRun

VERDICT_MS: Final = 5000
"""By default: how long after the first packet silence must have become a verdict."""
LEAST_VERDICT_MS: Final = 4000
"""Below this a connection would be given up before its first SYN is sent again (RFC 6298: after 1 s)."""
PLAN_MS: Final = 45_000
LEAST_ATTEMPTS: Final = 3
"""Of two targets behind a listener one that is dead is met in seven of eight runs, at each address of each broker."""
CONTROL_PORTS: Final = 4
"""So many of the brokers' ports are tried at addresses that nobody has."""
LEAST_CONNECTS: Final = 24
"""To all of a client's addresses together: where one packet in five is lost, 199 of 200 runs see one lost."""


def limits_within(verdict_ms: int = VERDICT_MS) -> Limits:
    """Deadlines by which dropped packets are known as such within ``verdict_ms`` of the first packet.

    A path falls silent at one stage; what lies before has answered at once, and what is left over is
    for the brokers that do answer. Records have deadlines of their own: there it is the cluster that
    may take its time (a topic made, a group rebalanced), not the path.

    Raises:
        ValueError: less than :data:`LEAST_VERDICT_MS`.
    """
    if verdict_ms < LEAST_VERDICT_MS:
        raise ValueError(
            f"a verdict within {verdict_ms} ms: it takes {LEAST_VERDICT_MS} ms to tell a late answer from none"
        )
    return Limits(
        resolve_ms=verdict_ms * 7 // 10,
        connect_ms=verdict_ms * 3 // 10,
        handshake_ms=verdict_ms * 7 // 10,
        request_ms=verdict_ms // 2,
        sts_ms=verdict_ms * 6 // 10,
        plan_ms=max(PLAN_MS, 9 * verdict_ms),
    )


LIMITS: Final = limits_within()


@dataclass(frozen=True, slots=True)
class ClientRun:
    """One client's run: what it had to see, what came back, what that means."""

    view: ClientView
    plan: Plan
    run: VantageRun
    checks: tuple[Check, ...]

    @property
    def seen(self) -> ClientEvidence:
        """As a diagnosis takes it."""
        complete = self.run.closing is not None and self.run.closing.complete and not self.run.error
        started = self.run.started
        return ClientEvidence(
            view=self.view,
            checks=self.checks,
            outcomes=self.run.outcomes,
            complete=complete,
            host=None if started is None else started.host_facts,
            began_ns=0 if started is None else started.began_ns,
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong as far as this client shows it."""
        return diagnose([self.seen]).findings

    def outcomes(self, stage: Stage) -> tuple[Outcome, ...]:
        """What the first look observed in one stage, in its order; empty where the stage was not asked for."""
        return tuple(outcome for outcome in first_look(self.run.outcomes) if outcome.stage is stage)

    def select(self, stage: Stage, subject: str = "", *, isolation: bool = False) -> tuple[Check, ...]:
        """The checks of one stage and subject (:attr:`Check.label`); an empty subject is every subject."""
        return tuple(
            c for c in self.checks if c.stage is stage and c.isolation is isolation and subject in {"", c.label}
        )


def make_plan(
    view: ClientView,
    client: Client,
    *,
    measure: bool,
    stages: Sequence[Stage] = VERIFY_STAGES,
    limits: Limits = LIMITS,
    idle_hold_ms: int = 0,
    amount: Amount = Amount.FULL,
    load: ThroughputPlan | None = None,
) -> Plan:
    """The plan that shows whether the client sees what it must.

    ``idle_hold_ms``: how long a connection of its own to each broker address is silent before it is asked once
    more; the plan has that much more time. 0 is without it. ``amount``: how much is measured. ``load``: how
    throughput is measured; None is as ``amount`` says. The plan has the time that they take.
    """
    measured = measurements(view, amount, load)
    wanted = (*stages, Stage.LATENCY, Stage.THROUGHPUT) if measure and view.brokers else tuple(stages)
    if idle_hold_ms:
        wanted = (*wanted, Stage.IDLE)
        limits = msgspec.structs.replace(limits, plan_ms=limits.plan_ms + idle_hold_ms)
    if Stage.THROUGHPUT in wanted:
        limits = msgspec.structs.replace(limits, plan_ms=limits.plan_ms + _more_ms(measured.throughput, limits))
    return Plan(
        plan_id=f"{view.pattern}.{view.client}",
        client=view.client,
        bootstrap=tuple(Endpoint(name=b.name, port=b.port, broker_id=b.broker_id) for b in view.bootstrap),
        brokers=tuple(Endpoint(name=b.name, port=b.port, broker_id=b.broker_id) for b in view.brokers),
        stages=wanted,
        tls=Tls(ca_file=client.ca_file) if view.tls else None,
        authentication=authentication_of(client),
        topic=(
            TopicPlan(mode=TopicMode.EXISTING, name=client.existing_topic) if client.existing_topic else TopicPlan()
        ),
        permissions=tuple(each for each in ASKED_WITHOUT_EFFECT if each not in client.may_lack),
        transactional_id=client.transactional_id or "",
        limits=limits,
        path_latency=measured.path_latency if Stage.LATENCY in wanted else None,
        latency=measured.latency if Stage.LATENCY in wanted else None,
        throughput=measured.throughput if Stage.THROUGHPUT in wanted else None,
        raw_samples=Stage.LATENCY in wanted,
        forbidden=tuple(
            ForbiddenConnect(address=f.address, port=f.port, why=f.why) for f in view.forbidden if view.isolation
        ),
        connect_attempts=_attempts(view),
        without_sni=view.tls,
        idle_hold_ms=idle_hold_ms,
        other_names=view.other_names if view.isolation else (),
        names_by_host=AddressKind.UNKNOWN in view.found_as,
        control_names=tuple(_nobodys_names(view)),
        control_connects=tuple(
            ControlConnect(address=address, port=port)
            for address in view.free_addresses
            for port in sorted({broker.port for broker in view.brokers})[:CONTROL_PORTS]
        ),
    )


def authentication_of(client: Client) -> Authentication | None:
    """How the probe logs in for this client, and where its credentials are; None where it does not."""
    if client.authentication is AuthenticationScheme.NONE:
        return None
    return Authentication(scheme=client.authentication, **client.credentials.model_dump(exclude_none=True))


def without_isolation(view: ClientView) -> ClientView:
    """The view of a client of which nobody asks what must not work: nothing is probed or said of that."""
    statements = len(view.forbidden) + len(view.other_names) + sum(each.statements for each in view.not_judged)
    left_out = NotJudged("what must not work", "no selected test asks for it", statements)
    return msgspec.structs.replace(view, isolation=False, not_judged=(left_out,) if statements else ())


def _nobodys_names(view: ClientView) -> Iterator[str]:
    """Names that nobody has: a label drawn for the client, below the brokers' domain and outside it.

    Nothing is ever below ``example.com`` (RFC 2606).
    """
    label = f"x{sha256(f'{view.client} of {view.vpc_id}'.encode()).hexdigest()[:12]}"
    domains = {
        broker.name.partition(".")[2] for broker in view.brokers if "." in broker.name and not _is_address(broker.name)
    }
    for domain in (*sorted(domains)[:1], *(["example.com"] if domains else [])):
        yield f"{label}.{domain}"


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdecimal()


def _attempts(view: ClientView) -> int:
    """Connections to each address: the fewer there are, the more of each."""
    addresses = sum(address.must_connect for broker in view.brokers for address in broker.addresses)
    addresses += sum(broker.found_as is not None for broker in view.brokers)  # one each at least
    return max(LEAST_ATTEMPTS, math.ceil(LEAST_CONNECTS / max(1, addresses)))


def _more_ms(load: ThroughputPlan, limits: Limits) -> int:
    """What a load takes beyond the usual one: to be sent, to be read again, and its ramp."""
    ramp_ms = 0 if load.ramp is None else load.ramp.max_ms + limits.produce_ms
    return 2 * max(0, load.max_ms - FULL_LOAD.max_ms) + ramp_ms


def conclude(view: ClientView, plan: Plan, run: VantageRun) -> ClientRun:
    """Judge what came back. Addresses that were not known are those that the names led to."""
    view = with_found_addresses(view, run.outcomes)
    evidence = RunOutcomes(
        outcomes=run.outcomes,
        complete=run.closing is not None and run.closing.complete,
        error=run.error,
    )
    stages = {*plan.stages, Stage.CONNECT}  # isolation is a connect, whatever else was asked
    return ClientRun(view=view, plan=plan, run=run, checks=judge(view, evidence, tuple(stages)))
