"""What every client must pass, whatever its pattern. Each test asserts one slice of one run.

A test that fails carries a cause. What only follows from it is skipped, and its reason names what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from brokerproof.diagnosis.check import Assertion, Check, Subject, Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding_text import text_of
from brokerproof.probes.outcome import LatencyFacts, Reason, Stage, Status, ThroughputFacts
from brokerproof.running.planning import ClientRun
from brokerproof.scenarios.selection import applies
from brokerproof.topology.expectation.view import ClientView
from brokerproof.wording import one_line, printable


def by_tls(view: ClientView, _broker: str) -> bool:
    """Whether the client's listener is not plaintext."""
    return view.tls


def logs_in(view: ClientView, _broker: str) -> bool:
    """Whether the client says who it is."""
    return view.logs_in


def has_bootstrap_of_its_own(view: ClientView, _broker: str) -> bool:
    """Whether a bootstrap name and port is no broker's own; those have tests of their own."""
    brokers = {(broker.name, broker.port) for broker in view.brokers}
    return any((entry.name, entry.port) not in brokers for entry in view.bootstrap)


def has_other_names(view: ClientView, _broker: str) -> bool:
    """Whether the client's VPC has a private zone for the cluster, which may hide other names."""
    return bool(view.other_names)


def has_dead_addresses(view: ClientView, broker: str) -> bool:
    """Whether an address of the broker has no target."""
    [seen] = [each for each in view.brokers if f"broker-{each.broker_id}" == broker]
    return not all(address.must_connect for address in seen.addresses)


def has_a_place(view: ClientView, _broker: str) -> bool:
    """Whether it is known where the brokers must see the client."""
    return any(broker.sources for broker in view.brokers)


def has_what_must_not_work(view: ClientView, _broker: str) -> bool:
    """Whether it is known of anything that it must not answer; what is not judged is told as that."""
    stated = all(broker.found_as is None for broker in view.brokers) and not view.not_judged
    return bool(view.forbidden) or stated


class ClientContract:
    """A client through its pattern. Subclass it in a pattern's file; ``run`` and ``broker`` come from the plugin."""

    @pytest.mark.canary
    def test_name_resolves_to_the_intended_addresses(self, run: ClientRun, broker: str) -> None:
        """The broker's name resolves, at the client's own resolver, to the pattern's addresses and no other."""
        require(run, run.select(Stage.RESOLVE, broker))

    @pytest.mark.canary
    def test_every_address_connects(self, run: ClientRun, broker: str) -> None:
        """Each address the name resolves to, one by one, accepts a TCP connection."""
        require(run, run.select(Stage.CONNECT, broker))

    @applies(where=by_tls)
    def test_certificate_is_valid_for_the_name(self, run: ClientRun, broker: str) -> None:
        """With SNI and the broker's name: chain, dates and name, judged separately."""
        require(run, run.select(Stage.HANDSHAKE, broker))

    def test_kafka_answers(self, run: ClientRun, broker: str) -> None:
        """ApiVersions is answered on every address."""
        require(run, run.select(Stage.API, broker))

    @applies(where=logs_in)
    @pytest.mark.canary
    def test_logs_in(self, run: ClientRun, broker: str) -> None:
        """The broker accepts who the client is, on every address."""
        require(run, run.select(Stage.AUTHENTICATE, broker))

    def test_is_advertised_as_the_pattern_needs(self, run: ClientRun, broker: str) -> None:
        """Metadata lists the broker at the name and port this client can reach."""
        require(run, run.select(Stage.METADATA, broker))

    @pytest.mark.canary
    def test_is_the_broker_it_names(self, run: ClientRun, broker: str) -> None:
        """The broker itself answers for its id; TLS proves nothing: a cluster shares one wildcard certificate."""
        require(run, run.select(Stage.IDENTITY, broker))

    def test_takes_and_gives_large_packets(self, run: ClientRun, broker: str) -> None:
        """Packets as large as this host's pass, to the broker and back, on every address."""
        require(run, run.select(Stage.PATH_SIZE, broker))

    @pytest.mark.canary
    def test_leader_takes_records(self, run: ClientRun, broker: str) -> None:
        """As a leader it acknowledges records with acks=all."""
        require(run, run.select(Stage.PRODUCE, broker))

    @pytest.mark.canary
    def test_leader_gives_records_back(self, run: ClientRun, broker: str) -> None:
        """The same records come back: none lost, duplicated or altered."""
        require(run, run.select(Stage.CONSUME, broker))

    @applies(where=has_bootstrap_of_its_own)
    def test_bootstrap_connects(self, run: ClientRun) -> None:
        """Every address of every bootstrap name connects, presents a valid certificate and speaks Kafka."""
        require(run, [c for c in run.checks if c.subject is Subject.BOOTSTRAP and not c.isolation])

    def test_metadata_is_of_one_cluster(self, run: ClientRun) -> None:
        """Every answer has one cluster id, and lists no broker that the topology does not have."""
        require(run, run.select(Stage.METADATA, Subject.CLUSTER))

    @pytest.mark.canary
    def test_consumer_group_works(self, run: ClientRun) -> None:
        """A group is joined, consumes every partition, commits, and its offsets are read back."""
        require(run, [c for c in run.select(Stage.GROUP) if c.asserts is Assertion.STAGE_PASSES])

    def test_may_do_what_it_must(self, run: ClientRun) -> None:
        """It may describe the cluster and write idempotently, unless it does without, and nothing else is refused."""
        refused = (c for c in run.checks if c.reason is Reason.NOT_AUTHORIZED and c.stage is not Stage.AUTHORIZE)
        require(run, [*run.select(Stage.AUTHORIZE), *refused])

    @applies(where=has_a_place)
    def test_comes_by_its_own_path(self, run: ClientRun) -> None:
        """The far end sees the client where this pattern shows it: at its own address, or at a load balancer's."""
        require(run, [c for c in run.checks if c.asserts is Assertion.SOURCE])

    @applies(where=has_what_must_not_work)
    @pytest.mark.isolation
    def test_nothing_else_answers(self, run: ClientRun) -> None:
        """Other ports of the path, and the cluster VPC beside it, do not answer; each for the reason it must."""
        require(run, run.select(Stage.CONNECT, Subject.CLUSTER, isolation=True))

    @applies(where=has_other_names)
    @pytest.mark.isolation
    def test_hides_no_other_name(self, run: ClientRun) -> None:
        """The private zone answers for this cluster alone: the MSK API and other clusters resolve beside it."""
        require(run, run.select(Stage.RESOLVE, Subject.CLUSTER, isolation=True))

    @applies(where=has_dead_addresses)
    @pytest.mark.isolation
    def test_addresses_without_a_target_do_not_connect(self, run: ClientRun, broker: str) -> None:
        """Cross-zone off: an address in a zone without a target fails, for that reason."""
        require(run, run.select(Stage.CONNECT, broker, isolation=True))


class MeasuredContract(ClientContract):
    """The same, and latency and throughput."""

    @pytest.mark.performance
    def test_latency_is_measured(self, run: ClientRun) -> None:
        """Produce-acknowledge and end-to-end latency, with enough samples to say p95 of all brokers' records."""
        require(run, run.select(Stage.LATENCY))
        facts = [o.facts for o in run.outcomes(Stage.LATENCY) if o.status is Status.OK]
        overall = max((f for f in facts if isinstance(f, LatencyFacts)), key=lambda f: f.produce_ack.samples)
        assert overall.produce_ack.p95_ns is not None, f"{overall.produce_ack.samples} samples cannot say p95"
        assert overall.end_to_end.p95_ns is not None, f"{overall.end_to_end.samples} samples cannot say p95"

    @pytest.mark.performance
    def test_throughput_is_measured(self, run: ClientRun) -> None:
        """Produce and consume, bounded in bytes and time; nothing lost, nothing twice."""
        require(run, run.select(Stage.THROUGHPUT))
        for outcome in run.outcomes(Stage.THROUGHPUT):
            if isinstance(outcome.facts, ThroughputFacts):
                assert outcome.facts.produce_bytes_per_s > 0
                assert outcome.facts.consume_bytes_per_s > 0


class ObserverContract:
    """A host that must not get through: from the cluster VPC to a client, or from outside to a broker."""

    @pytest.mark.isolation
    def test_reaches_nothing_it_must_not(self, observer: ClientRun) -> None:
        """Something listens there, and does not answer from here, for the reason it must not."""
        require(observer, [c for c in observer.checks if c.isolation])


def require(run: ClientRun, checks: Iterable[Check]) -> None:
    """Pass when every check passed; fail with the first cause; skip what waits for a cause elsewhere."""
    checks = tuple(checks)
    if not checks:
        pytest.fail(f"nothing was probed for this: client {run.view.client}, {run.view.pattern}", pytrace=False)
    for verdict in (Verdict.FAILED, Verdict.ERROR, Verdict.NOT_SEEN):
        found = [c for c in checks if c.verdict is verdict]
        if found:
            pytest.fail(printable(told(run, found, len(checks))), pytrace=False)
    blocked = [c for c in checks if c.verdict is Verdict.BLOCKED]
    if blocked:
        passed = (
            f"{len(checks) - len(blocked)} of {len(checks)} passed; the rest " if len(blocked) < len(checks) else ""
        )
        waits = f"{passed}waits for {blocked[0].blocked_by or 'an earlier stage'}: {blocked[0].observed}"
        pytest.skip(one_line(waits))
    uncovered = [c for c in checks if c.verdict is Verdict.NOT_COVERED]
    if uncovered:
        passed = f"{len(checks) - len(uncovered)} of {len(checks)} passed; the rest is not covered"
        pytest.skip(one_line(f"{passed}: {uncovered[0].observed}"))


def told(run: ClientRun, found: list[Check], total: int) -> str:
    """What is wrong as far as this client shows it, then the checks themselves."""
    keys = {f"{run.view.client}/{check.check_id}" for check in found}
    wrong = [finding for finding in diagnose([run.seen]).findings if keys & set(finding.evidence)]
    return "\n\n".join([*(text_of(finding) for finding in wrong), describe(found, total)])


_HEAD = {
    Verdict.FAILED: "",
    Verdict.ERROR: "the probe failed, nothing is known about the path: ",
    Verdict.NOT_SEEN: "not probed: ",
}


def describe(found: list[Check], total: int) -> str:
    """The finding first, then observed, expected, what to change, and where else the same was observed."""
    first = found[0]
    reason = f" ({first.reason.value})" if first.reason is not None else ""
    lines = [
        f"{_HEAD[first.verdict]}{first.label}: {first.stage} failed{reason}, client {first.client}"
        if first.verdict is Verdict.FAILED
        else f"{_HEAD[first.verdict]}{first.label}: {first.stage}, client {first.client}",
        f"  observed: {one_line(first.observed) or 'nothing'}",
        f"  expected: {one_line(first.expected)}",
    ]
    if first.change:
        lines.append(f"  change:   {first.change}")
    if total > 1:
        lines.append(f"  seen in {len(found)} of {total}: {', '.join(c.check_id for c in found)}")
    return "\n".join(lines)
