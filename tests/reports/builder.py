"""Synthetic documents that look like real ones: views, outcomes, and the checks they lead to.

The checks follow a rule of this file's own (first failing stage carries the cause, later ones are
blocked), so that reports can be tested without the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from brokerproof.diagnosis.check import Assertion, Check, Subject, Verdict
from brokerproof.probes.outcome import (
    Closing,
    Distribution,
    GroupFacts,
    HostFacts,
    HostsEntry,
    LatencyFacts,
    Outcome,
    Reason,
    Role,
    Spent,
    Stage,
    Started,
    Status,
    Target,
    ThroughputFacts,
    WaitedFor,
)
from brokerproof.reports.document import (
    DOCUMENT_VERSION,
    ClientResult,
    Host,
    ResultDocument,
    Run,
    TestOutcome,
    TestPhase,
    TestResult,
    Tool,
)
from brokerproof.reports.grid import subject_of
from brokerproof.topology.expectation.view import BrokerView, ClientView
from tests.reports.path import facts_of, view

MS: Final = 1_000_000
SPENT: Final = Spent(
    connections=31,
    client_connections=12,
    authentications=9,
    client_authentications=6,
    records=15,
    record_bytes=3_840,
)
STARTED: Final = datetime(2026, 3, 14, 9, 26, 53, 589000, tzinfo=UTC)
BROKER_STAGES: Final = (
    Stage.RESOLVE,
    Stage.CONNECT,
    Stage.HANDSHAKE,
    Stage.API,
    Stage.METADATA,
    Stage.IDENTITY,
    Stage.PRODUCE,
    Stage.CONSUME,
)
PER_ADDRESS: Final = BROKER_STAGES[1:6]
BOOTSTRAP_STAGES: Final = BROKER_STAGES[:5]
BOOTSTRAP_PORT: Final = 9094
TYPICAL_MS: Final = {
    Stage.RESOLVE: 0.41,
    Stage.CONNECT: 0.83,
    Stage.HANDSHAKE: 4.62,
    Stage.API: 1.37,
    Stage.METADATA: 2.05,
    Stage.IDENTITY: 3.11,
    Stage.PRODUCE: 18.4,
    Stage.CONSUME: 31.2,
    Stage.GROUP: 412.0,
}
Faults = Mapping[tuple[int, Stage], Reason]
"""What goes wrong, by broker id and stage; broker 0 is the cluster."""
NO_FAULT: Final[Faults] = MappingProxyType({})

RUN: Final = Run(
    run_id="20260314T092653Z-7f3c",
    target="lab",
    tool=Tool(
        version="0.1.0",
        libraries={"confluent-kafka": "2.16.1", "dnspython": "2.9.2", "kio": "0.6.5", "msgspec": "0.22.0"},
    ),
    host=Host(kernel="6.18.4", python="3.11.7", machine="x86_64", cores=2),
)


def _outcomes_at(broker: BrokerView, role: Role, faults: Faults) -> Iterator[Outcome]:
    bootstrap = role is Role.BOOTSTRAP
    broker_id = None if bootstrap else broker.broker_id
    port = BOOTSTRAP_PORT if bootstrap else broker.port
    at_ns = broker.broker_id * 10_000
    broken: WaitedFor | None = None
    for stage in BOOTSTRAP_STAGES if bootstrap else BROKER_STAGES:
        everywhere = [one.address for one in broker.addresses if one.must_connect]
        for address in everywhere if stage in PER_ADDRESS else [""]:
            target = Target(
                role=role,
                name=broker.name,
                address=address,
                port=0 if stage is Stage.RESOLVE else port,
                broker_id=broker_id,
            )
            took_ns = int(TYPICAL_MS[stage] * MS * (1 + 0.07 * broker.broker_id))
            if broken is not None:
                yield Outcome(
                    stage=stage,
                    target=target,
                    status=Status.SKIPPED,
                    reason=Reason.WAITS_FOR,
                    started_ns=at_ns,
                    duration_ns=0,
                    waited_for=broken,
                )
                continue
            reason = None if bootstrap else faults.get((broker.broker_id, stage))
            status = Status.OK if reason is None else Status.FAILED
            if reason is Reason.PROBE_CRASHED:
                status = Status.ERROR
            if reason is not None:
                broken = WaitedFor(stage=stage, target=target)
            yield Outcome(
                stage=stage,
                target=target,
                status=status,
                reason=reason,
                started_ns=at_ns,
                duration_ns=2_000 * MS if reason is Reason.TIMED_OUT else took_ns,
                detail="" if reason is None else f"{stage}: {reason.value.replace('_', ' ')}",
                facts=facts_of(stage, broker, address, reason),
            )
            at_ns += took_ns


def distribution(samples: int, scale: float = 1.0) -> Distribution:
    return Distribution(
        samples=samples,
        min_ns=int(1_040_000 * scale),
        max_ns=int(48_310_000 * scale),
        mean_ns=int(2_310_000 * scale),
        p50_ns=int(1_920_000 * scale) if samples >= 20 else None,
        p95_ns=int(4_870_000 * scale) if samples >= 200 else None,
        p99_ns=int(11_640_000 * scale) if samples >= 1_000 else None,
    )


def measurements(view: ClientView, samples: int) -> Iterator[Outcome]:
    for broker in view.brokers:
        yield Outcome(
            stage=Stage.LATENCY,
            target=Target(role=Role.BROKER, name=broker.name, port=broker.port, broker_id=broker.broker_id),
            status=Status.OK,
            started_ns=600 * MS,
            duration_ns=2_000 * MS,
            facts=LatencyFacts(
                record_bytes=100,
                warm_up_samples=50,
                produce_ack=distribution(samples, 1 + broker.broker_id / 20),
                end_to_end=distribution(samples, 1.8 + broker.broker_id / 20),
            ),
        )
    yield Outcome(
        stage=Stage.THROUGHPUT,
        target=Target(role=Role.CLUSTER),
        status=Status.OK,
        started_ns=2_700 * MS,
        duration_ns=640 * MS,
        facts=ThroughputFacts(
            record_bytes=1024,
            records_produced=32_768,
            produce_bytes_per_s=118.4e6,
            produce_duration_ns=283 * MS,
            records_consumed=32_768,
            consume_bytes_per_s=241.9e6,
            consume_duration_ns=139 * MS,
        ),
    )


def outcomes(view: ClientView, faults: Faults = NO_FAULT, *, samples: int = 0) -> tuple[Outcome, ...]:
    names = {one.name for one in view.bootstrap}
    first = [broker for broker in view.brokers if broker.name in names and broker.port != BOOTSTRAP_PORT]
    found = [outcome for broker in first for outcome in _outcomes_at(broker, Role.BOOTSTRAP, faults)]
    found += [outcome for broker in view.brokers for outcome in _outcomes_at(broker, Role.BROKER, faults)]
    group_fault = faults.get((0, Stage.GROUP))
    status = Status.ERROR if group_fault is Reason.PROBE_CRASHED else Status.FAILED
    found.append(
        Outcome(
            stage=Stage.GROUP,
            target=Target(role=Role.CLUSTER),
            status=Status.OK if group_fault is None else status,
            reason=group_fault,
            started_ns=90 * MS,
            duration_ns=int(TYPICAL_MS[Stage.GROUP] * MS),
            detail="" if group_fault is None else "Local: Broker handle destroyed",
            facts=GroupFacts(
                group="brokerproof-7f3c", coordinator_id=2, assigned_partitions=3, received=15, committed=3
            ),
        )
    )
    found += [
        Outcome(
            stage=Stage.CONNECT,
            target=Target(role=Role.FORBIDDEN, address=one.address, port=one.port),
            status=Status.FAILED,
            reason=Reason.TIMED_OUT,
            started_ns=0,
            duration_ns=2_000 * MS,
        )
        for one in view.forbidden
    ]
    found += [
        Outcome(
            stage=Stage.CONNECT,
            target=Target(
                role=Role.BROKER,
                name=broker.name,
                address=one.address,
                port=broker.port,
                broker_id=broker.broker_id,
            ),
            status=Status.FAILED,
            reason=Reason.TIMED_OUT,
            started_ns=0,
            duration_ns=2_000 * MS,
        )
        for broker in view.brokers
        for one in broker.addresses
        if not one.must_connect
    ]
    if samples:
        found += measurements(view, samples)
    return tuple(found)


_VERDICTS: Final = {
    Status.OK: Verdict.PASSED,
    Status.FAILED: Verdict.FAILED,
    Status.SKIPPED: Verdict.BLOCKED,
    Status.ERROR: Verdict.ERROR,
}


_SUBJECTS: Final = {
    Role.BROKER: Subject.BROKER,
    Role.BOOTSTRAP: Subject.BOOTSTRAP,
    Role.CLUSTER: Subject.CLUSTER,
}


def checks(view: ClientView, outcomes: tuple[Outcome, ...]) -> tuple[Check, ...]:
    zone_of = {one.address: one.zone_id for broker in view.brokers for one in broker.addresses}
    must_not = {
        (broker.name, one.address) for broker in view.brokers for one in broker.addresses if not one.must_connect
    }
    made: list[Check] = []
    ids: dict[WaitedFor, str] = {}
    for outcome in outcomes:
        target = outcome.target
        if outcome.stage in {Stage.LATENCY, Stage.THROUGHPUT} or target.role is Role.FORBIDDEN:
            continue
        if (target.name, target.address) in must_not:
            continue
        subject = subject_of(target)
        zone = zone_of.get(target.address, "")
        through = target.name.partition(".")[0] if target.role is Role.BOOTSTRAP else ""
        check_id = "/".join(part for part in (subject, through, outcome.stage.value, zone) if part)
        ids[WaitedFor(stage=outcome.stage, target=target)] = check_id
        waited = outcome.waited_for
        verdict = _VERDICTS[outcome.status]
        wrong = verdict in {Verdict.FAILED, Verdict.ERROR}
        made.append(
            Check(
                check_id=check_id,
                client=view.client,
                stage=outcome.stage,
                subject=_SUBJECTS[target.role],
                verdict=verdict,
                title=f"{subject} must pass {outcome.stage}{' in ' + zone if zone else ''}",
                observed=f"{outcome.detail} after {outcome.duration_ns // MS} ms" if wrong else "",
                expected=f"{target.name or 'the cluster'} passes {outcome.stage} within its deadline" if wrong else "",
                change=f"Listener {target.port} of nlb-orders: forward to broker {target.broker_id} only."
                if verdict is Verdict.FAILED
                else "",
                reason=outcome.reason,
                name=target.name,
                address=target.address,
                port=target.port,
                broker_id=target.broker_id,
                blocked_by=ids[waited] if waited else "",
                duration_ns=outcome.duration_ns,
            )
        )
    made += [
        Check(
            check_id=f"isolation/{one.why.replace(' ', '-')}",
            client=view.client,
            stage=Stage.CONNECT,
            subject=Subject.CLUSTER,
            asserts=Assertion.FORBIDDEN,
            verdict=Verdict.PASSED,
            title=f"{one.address} port {one.port} must not accept a connection: {one.why}",
            reason=Reason.TIMED_OUT,
            address=one.address,
            port=one.port,
            isolation=True,
            duration_ns=2_000 * MS,
        )
        for one in view.forbidden
    ]
    made += [
        Check(
            check_id=f"broker-{broker.broker_id}/connect-not/{one.zone_id}",
            client=view.client,
            stage=Stage.CONNECT,
            subject=Subject.BROKER,
            broker_id=broker.broker_id,
            asserts=Assertion.DEAD_ADDRESS,
            verdict=Verdict.PASSED,
            title=f"{one.address}:{broker.port} does not connect: {one.why_not}",
            name=broker.name,
            address=one.address,
            port=broker.port,
            isolation=True,
        )
        for broker in view.brokers
        for one in broker.addresses
        if not one.must_connect
    ]
    return tuple(made)


def started(view: ClientView) -> Started:
    return Started(
        plan_id=f"plan-{view.client}",
        client=view.client,
        probe_version="0.1.0",
        host=f"client-{view.client}",
        python="3.11.7",
        libraries={"librdkafka": "2.16.1", "openssl": "3.5.4"},
        wall_clock="2026-03-14T09:26:54.012Z",
        host_facts=HostFacts(
            nameservers=("10.1.0.2",),
            search=("us-east-1.compute.internal",),
            name_services=("files", "dns"),
            hosts_entries=(HostsEntry(name=view.brokers[0].name, addresses=("10.1.0.99",)),),
            proxies=("HTTPS_PROXY",),
            first_local_port=32_768,
            last_local_port=60_999,
            tcp_sockets=7,
            clock_source="tsc",
        ),
    )


def client_result(
    view: ClientView,
    faults: Faults = NO_FAULT,
    *,
    label: str = "",
    samples: int = 0,
) -> ClientResult:
    seen = outcomes(view, faults, samples=samples)
    return ClientResult(
        view=view,
        label=label,
        topology_digest="5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
        started=started(view),
        outcomes=seen,
        closing=Closing(
            plan_id=f"plan-{view.client}", outcomes=len(seen), complete=True, duration_ns=3_412 * MS, spent=SPENT
        ),
        checks=checks(view, seen),
    )


def document(
    *clients: ClientResult, tests: tuple[TestResult, ...] = (), because: tuple[str, ...] = ()
) -> ResultDocument:
    return ResultDocument(
        document_version=DOCUMENT_VERSION,
        run=RUN,
        started=STARTED,
        finished=None if because else STARTED + timedelta(seconds=14.237),
        complete=not because,
        incomplete_because=because,
        clients=clients,
        tests=tests,
    )


BROKEN: Final[Faults] = {
    (2, Stage.CONNECT): Reason.TIMED_OUT,
    (3, Stage.IDENTITY): Reason.OTHER_BROKER,
    (0, Stage.GROUP): Reason.PROBE_CRASHED,
}


def mixed() -> ResultDocument:
    """Three brokers, two clients: one whole and measured, one with a failure, an error, a gap."""
    whole = client_result(view(), samples=1_000)
    broken = client_result(view("fulfilment", "privatelink_single_nlb"), BROKEN, samples=120)
    unseen = tuple(
        msgspec.structs.replace(check, verdict=Verdict.NOT_SEEN, duration_ns=0)
        if check.check_id == "broker-1/consume"
        else check
        for check in broken.checks
    )
    return document(
        whole,
        msgspec.structs.replace(broken, checks=unseen),
        tests=(
            TestResult(
                node_id="scenarios/test_privatelink_multi_nlb.py::test_names[billing]",
                outcome=TestOutcome.PASSED,
                duration_ns=1_200_000,
            ),
            TestResult(
                node_id="scenarios/test_privatelink_single_nlb.py::test_connect[fulfilment-broker-2]",
                outcome=TestOutcome.FAILED,
                phase=TestPhase.CALL,
                duration_ns=2_900_000,
                message="b-2 at 10.1.0.10:8444 timed out; listener 8444 of nlb-orders does not answer",
            ),
        ),
    )
