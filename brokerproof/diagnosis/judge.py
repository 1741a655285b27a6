"""Outcomes against a view: every thing a client must see, with its verdict. Pure.

A check that was not made because an earlier one failed is ``blocked`` and names it. What was made and failed is red,
whatever failed before it. What was not probed is never green.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from brokerproof.diagnosis.check import Assertion, Check, Subject, Verdict
from brokerproof.diagnosis.clusters import answers_elsewhere
from brokerproof.diagnosis.consequences import without_consequences
from brokerproof.diagnosis.lost_syn import syn_was_repeated
from brokerproof.diagnosis.membership import Lists, disputed, lists_of
from brokerproof.diagnosis.outcome_index import OutcomeIndex
from brokerproof.diagnosis.remedy import remedy
from brokerproof.diagnosis.titles import broker_title, connection_title, known_addresses, reason_text
from brokerproof.diagnosis.zones import NO_SUCH_NAME, hiding_zone
from brokerproof.probes.outcome import GroupFacts, MetadataFacts, Outcome, Reason, ResolveFacts, Role, Stage, Status
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import SPECS, STAGES, judged_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.topology.expectation.view import (
    AddressKind,
    AddressView,
    BootstrapView,
    BrokerView,
    ClientView,
    ForbiddenView,
)
from brokerproof.wording import listed


@dataclass(frozen=True, slots=True)
class RunOutcomes:
    """What came back from one client: outcomes, and whether the run said that it was complete."""

    outcomes: tuple[Outcome, ...]
    complete: bool = True
    error: str = ""
    """What went wrong with the probe or its vantage; empty when all is well."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a check is about, and which broker where it is one."""

    kind: Subject
    broker_id: int | None = None


_CLUSTER: Final = _Subject(Subject.CLUSTER)


def judge(view: ClientView, evidence: RunOutcomes, stages: Sequence[Stage] = STAGES) -> tuple[Check, ...]:
    """Every check of one client, in stage order within each broker.

    ``stages`` are those the plan asked for; nothing is said about others.
    """
    judged = _Judge(view, evidence)
    checks = [c for c in judged.all() if c.stage in stages]
    return tuple(without_consequences(checks, judged.derived))


class _Judge:
    def __init__(self, view: ClientView, evidence: RunOutcomes) -> None:
        self.view = view
        self.evidence = evidence
        self.seen = OutcomeIndex(evidence.outcomes)
        self.known = known_addresses(view)
        self.elsewhere = answers_elsewhere(evidence.outcomes)
        """What another cluster answered, which says nothing of this one's brokers."""
        self.metadata = [
            o.facts for o in self.seen.all if isinstance(o.facts, MetadataFacts) and o.target not in self.elsewhere
        ]
        self.derived: set[str] = set()
        """Ids of checks that are red because other brokers do not list this one."""

    def all(self) -> Iterator[Check]:
        for broker in self.view.brokers:
            yield from self._broker(broker)
        brokers = {(b.name, b.port) for b in self.view.brokers}
        for entry in self.view.bootstrap:
            if (entry.name, entry.port) not in brokers:
                yield from self._bootstrap(entry)
        if not self.view.brokers and self.view.found_as:
            yield self._names_brokers()
        if self.view.brokers:
            yield self._nothing_unexpected_advertised()
            yield self._same_brokers()
            for stage in judged_per(Per.CLUSTER):
                yield self._cluster(stage)
            yield from self._source()
        if self.view.isolation:
            yield from self._isolation()
            yield from self._hidden()

    def _check(
        self,
        check_id: str,
        stage: Stage,
        subject: _Subject,
        outcomes: Sequence[Outcome],
        title: str,
        *,
        asserts: Assertion = Assertion.STAGE_PASSES,
    ) -> Check:
        """The verdict of one stage from its outcomes; several attempts that differ are a failure."""
        blank = Check(
            check_id=check_id,
            client=self.view.client,
            stage=stage,
            subject=subject.kind,
            asserts=asserts,
            verdict=Verdict.NOT_SEEN,
            title=title,
            expected=title,
            broker_id=subject.broker_id,
        )
        if not outcomes:
            if self.evidence.error:
                return _with(blank, verdict=Verdict.ERROR, observed=self.evidence.error)
            return _with(
                blank,
                observed="not probed: the run ended before it" if not self.evidence.complete else "not probed",
            )
        worst = max(outcomes, key=lambda o: _SEVERITY[o.status])
        verdict = _VERDICT[worst.status]
        if worst.status is Status.ERROR and worst.reason is Reason.DEADLINE_OF_PLAN:
            verdict = Verdict.NOT_SEEN
        if worst.reason is Reason.NOT_COVERED:
            verdict = Verdict.NOT_COVERED
        observed = "" if worst.status is Status.OK else reason_text(worst)
        if worst.status is Status.FAILED and any(o.status is Status.OK for o in outcomes):
            good = sum(o.status is Status.OK for o in outcomes)
            observed = f"intermittent: {good} of {len(outcomes)} attempts worked; otherwise {observed}"
        return _with(
            blank,
            verdict=verdict,
            observed=observed,
            reason=worst.reason if verdict in {Verdict.FAILED, Verdict.ERROR} else None,
            blocked_by=_waited_for(worst),
            duration_ns=worst.duration_ns,
        )

    def _broker(self, broker: BrokerView) -> Iterator[Check]:
        subject = _Subject(Subject.BROKER, broker.broker_id)
        base = f"broker-{broker.broker_id}"
        yield self._resolve(broker, subject)
        yield from self._addresses(broker, broker.addresses, subject, base)
        yield self._advertised(broker, subject)
        for stage in judged_per(Per.BROKER):
            if stage is not Stage.METADATA:
                yield self._through(stage, broker, subject)

    def _through(self, stage: Stage, broker: BrokerView, subject: _Subject) -> Check:
        """What goes through one broker: records, and measurements at its addresses."""
        outcomes = self.seen.broker(stage, broker.broker_id)
        # Not attempts at one thing: what is well at one address says nothing of another.
        bad = [o for o in outcomes if o.status is Status.FAILED] if SPECS[stage].measurement else []
        check_id = f"broker-{broker.broker_id}/{stage}"
        check = self._check(check_id, stage, subject, bad or outcomes, broker_title(stage, broker))
        addresses = {o.target.address for o in bad}
        return self._placed(check, broker, addresses.pop() if len(addresses) == 1 else "")

    def _placed(self, check: Check, broker: BrokerView, address: str = "") -> Check:
        placed = _with(check, name=broker.name, port=broker.port, address=address, broker_id=broker.broker_id)
        return self._with_remedy(placed)

    def _with_remedy(self, check: Check) -> Check:
        return _with(check, change=remedy(check, self.view)) if check.verdict is Verdict.FAILED else check

    def _resolve(self, broker: BrokerView, subject: _Subject) -> Check:
        wanted = {a.address for a in broker.addresses}
        check = self._check(
            f"broker-{broker.broker_id}/{Stage.RESOLVE}",
            Stage.RESOLVE,
            subject,
            self.seen.resolve(broker.name),
            f"{broker.name} resolves"
            if broker.found_as is not None
            else SPECS[Stage.RESOLVE].title.format(
                name=broker.name, addresses=listed(self._describe(a) for a in sorted(wanted))
            ),
        )
        if broker.found_as is not None:
            return self._placed(check, broker)
        for outcome in self.seen.resolve(broker.name):
            answered = outcome.status is Status.OK or outcome.reason in _RIGHT_ALL_THE_SAME
            if answered and isinstance(outcome.facts, ResolveFacts):
                got = set(outcome.facts.a) | set(outcome.facts.aaaa)
                if got != wanted:
                    observed = f"it resolves to {listed(self._describe(a) for a in sorted(got))}"
                    found = tuple(sorted(got))
                    check = _with(
                        check, verdict=Verdict.FAILED, reason=None, observed=observed, observed_addresses=found
                    )
        return self._placed(check, broker)

    def _describe(self, address: str) -> str:
        return f"{address} ({self.known[address]})" if address in self.known else f"{address} (not in the topology)"

    def _addresses(
        self, endpoint: BrokerView | BootstrapView, addresses: Sequence[AddressView], subject: _Subject, base: str
    ) -> Iterator[Check]:
        for address in addresses:
            where = (address.zone_id or address.address) if len(addresses) > 1 else _kind_words(address)
            if not address.must_connect:
                if self.view.isolation:
                    yield self._must_not_connect(endpoint, address, f"{base}/connect-not/{where}", subject)
                continue
            for stage in self._judged_at(endpoint):
                outcomes = self.seen.connection(stage, endpoint.name, address.address, endpoint.port)
                title = connection_title(stage, endpoint, address)
                check = _at_the_first_syn(
                    self._check(f"{base}/{stage}/{where}", stage, subject, outcomes, title), outcomes
                )
                if check.verdict is Verdict.NOT_SEEN and not self._resolved(endpoint.name, address.address):
                    check = _with(check, verdict=Verdict.BLOCKED, observed="the name does not resolve to it")
                yield self._with_remedy(
                    _with(
                        check,
                        name=endpoint.name,
                        address=address.address,
                        port=endpoint.port,
                        broker_id=endpoint.broker_id,
                    )
                )

    def _judged_at(self, endpoint: BrokerView | BootstrapView) -> Iterator[Stage]:
        """The stages there is something to say of at each address of an endpoint."""
        for stage in judged_per(Per.ADDRESS):
            spec = SPECS[stage]
            any_broker = endpoint.broker_id is None and (spec.names_a_broker or spec.brokers_only)
            if not any_broker and spec.applies(tls=self.view.tls, logs_in=self.view.logs_in):
                yield stage

    def _resolved(self, name: str, address: str) -> bool:
        """Whether the name's answer had this address; True where the name was not asked for at all."""
        facts = [o.facts for o in self.seen.resolve(name) if o.status is not Status.ERROR]
        if not facts:
            return True
        return any(isinstance(f, ResolveFacts) and address in (*f.a, *f.aaaa, *f.again, *f.os_addresses) for f in facts)

    def _must_not_connect(
        self, endpoint: BrokerView | BootstrapView, address: AddressView, check_id: str, subject: _Subject
    ) -> Check:
        title = f"{address.address}:{endpoint.port} does not connect: {address.why_not}"
        outcomes = self.seen.connection(Stage.CONNECT, endpoint.name, address.address, endpoint.port)
        check = self._check(check_id, Stage.CONNECT, subject, outcomes, title, asserts=Assertion.DEAD_ADDRESS)
        if check.verdict is Verdict.NOT_SEEN and not self._resolved(endpoint.name, address.address):
            check = _with(check, verdict=Verdict.BLOCKED, observed="the name does not resolve to it")
        check = _with(check, isolation=True, name=endpoint.name, address=address.address, port=endpoint.port)
        return _inverted(check, outcomes, address.fails_with)

    def _advertised(self, broker: BrokerView, subject: _Subject) -> Check:
        title = broker_title(Stage.METADATA, broker)
        answers = self.metadata
        entries = [
            (entry.name, entry.port)
            for facts in answers
            for entry in facts.brokers
            if entry.broker_id == broker.broker_id
        ]
        check = self._check(
            f"broker-{broker.broker_id}/{Stage.METADATA}",
            Stage.METADATA,
            subject,
            [o for o in self.seen.all if o.stage is Stage.METADATA][:1],
            title,
            asserts=Assertion.ADVERTISED,
        )
        if answers:
            wrong = sorted({f"{name}:{port}" for name, port in entries if not _same(name, port, broker)})
            missing = sum(all(e.broker_id != broker.broker_id for e in facts.brokers) for facts in answers)
            if wrong:
                check = _with(check, verdict=Verdict.FAILED, observed=f"it is advertised at {listed(wrong)}")
            elif missing:
                if broker.broker_id not in lists_of(self.seen.all):
                    self.derived.add(check.check_id)
                seen = f"{missing} of {len(answers)} metadata answers do not list it"
                check = _with(check, verdict=Verdict.FAILED, observed=seen)
            else:
                check = _with(check, verdict=Verdict.PASSED, observed="", reason=None, blocked_by="")
        return self._placed(check, broker)

    def _nothing_unexpected_advertised(self) -> Check:
        expected = {b.broker_id for b in self.view.brokers}
        extra = sorted(
            {
                f"broker {e.broker_id} at {e.name}:{e.port}"
                for f in self.metadata
                for e in f.brokers
                if e.broker_id not in expected
            }
        )
        clusters = sorted({facts.cluster_id for facts in self.seen.metadata()})
        check = self._check(
            "cluster/metadata",
            Stage.METADATA,
            _CLUSTER,
            [o for o in self.seen.all if o.stage is Stage.METADATA and o.status is Status.OK][:1],
            "every answer is from one cluster, and metadata lists no broker that the topology does not have",
            asserts=Assertion.ONE_CLUSTER,
        )
        if check.verdict is Verdict.NOT_SEEN and self.seen.all:
            check = _with(check, verdict=Verdict.BLOCKED, observed="no metadata was read")
        if extra:
            check = _with(check, verdict=Verdict.FAILED, observed=f"metadata also lists {listed(extra)}")
        if len(clusters) > 1:
            check = _with(check, verdict=Verdict.FAILED, observed=f"answers come from clusters {listed(clusters)}")
        return self._with_remedy(self._where_another_answers(check))

    def _names_brokers(self) -> Check:
        """Where nobody knows the brokers yet: whether anybody names them."""
        outcomes = [o for o in self.seen.all if o.stage is Stage.METADATA]
        title = "metadata names the brokers"
        return self._check("cluster/metadata", Stage.METADATA, _CLUSTER, outcomes, title)

    def _where_another_answers(self, check: Check) -> Check:
        """The check, with the place at which another cluster answers, where it is one and known."""
        if check.verdict is not Verdict.FAILED or not self.elsewhere:
            return check
        places = [f"{facts.cluster_id} at {t.name}:{t.port} ({t.address})" for t, facts in self.elsewhere.items()]
        ids = {facts.cluster_id for facts in self.metadata}
        check = _with(
            check, observed=f"brokers are of cluster {listed(sorted(ids))}; another answers: {listed(places)}"
        )
        names = {(t.name, t.port) for t in self.elsewhere}
        return _with(check, **dict(zip(("name", "port"), *names, strict=True))) if len(names) == 1 else check

    def _same_brokers(self) -> Check:
        """Every broker's answer against every other's, about those brokers that answered for themselves."""
        check = self._check(
            "cluster/metadata/same",
            Stage.METADATA,
            _CLUSTER,
            [o for o in self.seen.all if o.stage is Stage.METADATA and o.status is Status.OK][:1],
            "all brokers list the same brokers",
            asserts=Assertion.SAME_BROKERS,
        )
        if check.verdict is Verdict.NOT_SEEN and self.seen.all:
            check = _with(check, verdict=Verdict.BLOCKED, observed="no metadata was read")
        lists = lists_of(self.seen.all)
        if told := [_left_out(broker_id, by, lists) for broker_id, by in disputed(lists).items()]:
            check = _with(check, verdict=Verdict.FAILED, observed="; ".join(told))
        return check

    def _bootstrap(self, entry: BootstrapView) -> Iterator[Check]:
        if entry.found_as is not None:
            subject = _Subject(Subject.BOOTSTRAP)
            resolved = self._check(
                f"bootstrap/{entry.name}:{entry.port}/{Stage.RESOLVE}",
                Stage.RESOLVE,
                subject,
                self.seen.resolve(entry.name),
                f"{entry.name} resolves",
            )
            yield self._with_remedy(_with(resolved, name=entry.name, port=entry.port))
            yield from self._addresses(entry, entry.addresses, subject, f"bootstrap/{entry.name}:{entry.port}")
            return
        yield from self._addresses(
            entry, entry.addresses, _Subject(Subject.BOOTSTRAP), f"bootstrap/{entry.name.split('.')[0]}"
        )

    def _cluster(self, stage: Stage) -> Check:
        outcomes = [o for o in self.seen.all if o.stage is stage and o.target.role is Role.CLUSTER]
        check = self._check(f"cluster/{stage}", stage, _CLUSTER, outcomes, SPECS[stage].title)
        coordinators = [o.facts.coordinator_id for o in outcomes if isinstance(o.facts, GroupFacts)]
        if check.verdict is Verdict.FAILED and coordinators:
            check = _with(check, broker_id=coordinators[0])
        return self._with_remedy(check)

    def _source(self) -> Iterator[Check]:
        """The path a connection took shows at its far end: where the coordinator sees this client from."""
        outcomes = [o for o in self.seen.all if o.stage is Stage.GROUP and o.target.role is Role.CLUSTER]
        facts = next((o.facts for o in outcomes if isinstance(o.facts, GroupFacts)), None)
        by_id = {b.broker_id: b.sources for b in self.view.brokers}
        wanted = by_id.get(facts.coordinator_id) if facts is not None and facts.coordinator_id else None
        if wanted is None:
            wanted = tuple(dict.fromkeys(address for sources in by_id.values() for address in sources))
        if not wanted:
            return
        title = f"the group's coordinator sees this client at {' or '.join(wanted)}"
        check = self._check("cluster/source", Stage.GROUP, _CLUSTER, outcomes, title, asserts=Assertion.SOURCE)
        if check.verdict is Verdict.FAILED:
            check = _with(check, verdict=Verdict.BLOCKED, reason=None, blocked_by="cluster/group")
        if check.verdict is Verdict.PASSED and facts is not None and facts.client_host not in wanted:
            why = f": {facts.client_host_unknown}" if facts.client_host_unknown else ""
            seen = (
                f"it sees it at {facts.client_host}" if facts.client_host else f"it did not say where it sees it{why}"
            )
            check = _with(check, verdict=Verdict.FAILED if facts.client_host else Verdict.NOT_SEEN, observed=seen)
        yield self._with_remedy(check)

    def _isolation(self) -> Iterator[Check]:
        groups: dict[str, list[ForbiddenView]] = {}
        for entry in self.view.forbidden:
            groups.setdefault(entry.why, []).append(entry)
        for why, entries in groups.items():
            verdicts = []
            for entry in entries:
                outcomes = self.seen.forbidden(entry.address, entry.port)
                check_id = f"isolation/{_slug(why)}"
                check = self._check(check_id, Stage.CONNECT, _CLUSTER, outcomes, why, asserts=Assertion.FORBIDDEN)
                check = _with(check, isolation=True, barrier=entry.barrier, address=entry.address, port=entry.port)
                verdicts.append(_inverted(check, outcomes, entry.fails_with))
            worst = max(verdicts, key=lambda c: _WORST[c.verdict])
            if worst.verdict is Verdict.PASSED:
                worst = _with(worst, address="", port=0, observed="")
            yield self._with_remedy(worst)

    def _hidden(self) -> Iterator[Check]:
        """Names that are somebody else's: a private zone wider than the cluster answers for them, and lacks them."""
        for name in self.view.other_names:
            outcomes = [o for o in self.seen.resolve(name) if o.target.role is Role.OTHER]
            title = f"no private hosted zone of {self.view.vpc_id} hides {name}"
            check_id = f"isolation/hides-not/{_slug(name)}"
            check = self._check(check_id, Stage.RESOLVE, _CLUSTER, outcomes, title, asserts=Assertion.NAME_NOT_HIDDEN)
            check = _with(check, isolation=True, name=name)
            hiding = next((zone for o in outcomes if (zone := hiding_zone(self.view, o))), "")
            if hiding:
                check = _with(check, verdict=Verdict.FAILED, observed=f"zone {hiding} answers for it, and lacks it")
            elif check.verdict is Verdict.FAILED and _tells(outcomes):
                check = _with(check, verdict=Verdict.PASSED, reason=None, observed="")
            elif check.verdict is Verdict.FAILED:
                check = _with(check, verdict=Verdict.BLOCKED, reason=None)
            yield self._with_remedy(check)


def _kind_words(address: AddressView) -> str:
    return "address" if address.kind is AddressKind.UNKNOWN else address.kind.value.replace("_", "-")


def _has_addresses(outcome: Outcome) -> bool:
    return isinstance(outcome.facts, ResolveFacts) and bool(outcome.facts.a or outcome.facts.aaaa)


def _tells(outcomes: Sequence[Outcome]) -> bool:
    """Whether the resolver said what it makes of the name, be it that there is none."""
    return all(o.reason in NO_SUCH_NAME or _has_addresses(o) for o in outcomes)


_RIGHT_ALL_THE_SAME: Final = frozenset({Reason.SLOW, Reason.NAMESERVER_UNUSABLE})
"""What is wrong with how a name is answered, while the answer may be right."""
_SEVERITY: Final = {Status.OK: 0, Status.SKIPPED: 1, Status.ERROR: 2, Status.FAILED: 3}
_VERDICT: Final = {
    Status.OK: Verdict.PASSED,
    Status.FAILED: Verdict.FAILED,
    Status.SKIPPED: Verdict.BLOCKED,
    Status.ERROR: Verdict.ERROR,
}
_WORST: Final = {
    Verdict.PASSED: 0,
    Verdict.NOT_COVERED: 1,
    Verdict.BLOCKED: 2,
    Verdict.NOT_SEEN: 3,
    Verdict.ERROR: 4,
    Verdict.FAILED: 5,
}


_ANSWERED_BY_A_HOST: Final = frozenset({Reason.REFUSED, Reason.RESET})
"""Security groups and missing routes drop in silence (VPC user guide); a host says that it has no listener."""


def _inverted(check: Check, outcomes: Sequence[Outcome], fails_with: Sequence[Reason]) -> Check:
    """A check that something must not connect: green only when it failed for a reason that is the right one."""
    if any(o.status is Status.OK for o in outcomes):
        return _with(
            check, verdict=Verdict.FAILED, reason=None, observed=f"{check.address}:{check.port} accepted a connection"
        )
    if check.verdict is not Verdict.FAILED:
        return check
    if all(o.reason in fails_with for o in outcomes):
        return _with(check, verdict=Verdict.PASSED, reason=None, observed="")
    if check.reason in _ANSWERED_BY_A_HOST:
        word = "refused" if check.reason is Reason.REFUSED else "reset"
        observed = f"{check.address}:{check.port} {word}: the packet reached a host there, and nothing listens"
        return _with(check, observed=observed)
    wanted = " or ".join(r.value for r in fails_with)
    return _with(check, observed=f"it did not connect, but for another reason than {wanted}: {check.observed}")


def _waited_for(outcome: Outcome) -> str:
    if outcome.waited_for is None:
        return ""
    target = outcome.waited_for.target
    subject = f"broker-{target.broker_id}" if target.broker_id is not None else target.name or "cluster"
    return f"{subject}/{outcome.waited_for.stage}"


def _at_the_first_syn(check: Check, outcomes: Sequence[Outcome]) -> Check:
    """The check, red where the kernel had to send a SYN again: its retries must not hide that something was lost."""
    again = [o for o in outcomes if syn_was_repeated(o)]
    if check.verdict is not Verdict.PASSED or not again:
        return check
    slowest_ms = max(o.duration_ns for o in again) / 1e6
    observed = (
        f"intermittent: {len(outcomes) - len(again)} of {len(outcomes)} attempts were answered at once; "
        f"otherwise the SYN had to be sent again, which took {slowest_ms:.0f} ms"
    )
    return _with(check, verdict=Verdict.FAILED, reason=Reason.INTERMITTENT, observed=observed)


def _left_out(broker_id: int, by: Sequence[int], lists: Lists) -> str:
    whose = "itself" if broker_id in lists[broker_id] else "not itself"
    brokers = f"broker {by[0]} does" if len(by) == 1 else f"brokers {listed(by)} do"
    return f"{brokers} not list broker {broker_id}, which answers, and lists {whose}"


def _same(name: str, port: int, broker: BrokerView) -> bool:
    return canonical(name) == broker.name.lower() and port == broker.port


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _with(check: Check, **changes: object) -> Check:
    return msgspec.structs.replace(check, **changes)
