"""Checks of one broker or bootstrap name: its name, its addresses, what goes through it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from brokerproof.diagnosis.basis import Basis, SubjectOf, changed, inverted
from brokerproof.diagnosis.check import Assertion, Check, Subject, Verdict
from brokerproof.diagnosis.lost_syn import syn_was_repeated
from brokerproof.diagnosis.membership import lists_of
from brokerproof.diagnosis.titles import broker_title, connection_title
from brokerproof.probes.outcome import Outcome, Reason, ResolveFacts, Stage, Status
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import SPECS, judged_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.topology.expectation.view import AddressKind, AddressView, BootstrapView, BrokerView
from brokerproof.wording import listed


class EndpointChecks:
    """Of one client."""

    def __init__(self, basis: Basis) -> None:
        self._basis = basis

    def broker(self, broker: BrokerView) -> Iterator[Check]:
        """Every check of one broker."""
        subject = SubjectOf(Subject.BROKER, broker.broker_id)
        base = f"broker-{broker.broker_id}"
        yield self._resolve(broker, subject)
        yield from self._addresses(broker, broker.addresses, subject, base)
        yield self._advertised(broker, subject)
        for stage in judged_per(Per.BROKER):
            if stage is not Stage.METADATA:
                yield self._through(stage, broker, subject)

    def _through(self, stage: Stage, broker: BrokerView, subject: SubjectOf) -> Check:
        """What goes through one broker: records, and measurements at its addresses."""
        outcomes = self._basis.seen.broker(stage, broker.broker_id)
        # Not attempts at one thing: what is well at one address says nothing of another.
        bad = [o for o in outcomes if o.status is Status.FAILED] if SPECS[stage].measurement else []
        check_id = f"broker-{broker.broker_id}/{stage}"
        check = self._basis.check(check_id, stage, subject, bad or outcomes, broker_title(stage, broker))
        addresses = {o.target.address for o in bad}
        return self._basis.placed(check, broker, addresses.pop() if len(addresses) == 1 else "")

    def _resolve(self, broker: BrokerView, subject: SubjectOf) -> Check:
        wanted = {a.address for a in broker.addresses}
        check = self._basis.check(
            f"broker-{broker.broker_id}/{Stage.RESOLVE}",
            Stage.RESOLVE,
            subject,
            self._basis.seen.resolve(broker.name),
            f"{broker.name} resolves"
            if broker.found_as is not None
            else SPECS[Stage.RESOLVE].title.format(
                name=broker.name, addresses=listed(self._describe(a) for a in sorted(wanted))
            ),
        )
        if broker.found_as is not None:
            return self._basis.placed(check, broker)
        for outcome in self._basis.seen.resolve(broker.name):
            answered = outcome.status is Status.OK or outcome.reason in _RIGHT_ALL_THE_SAME
            if answered and isinstance(outcome.facts, ResolveFacts):
                got = set(outcome.facts.a) | set(outcome.facts.aaaa)
                if got != wanted:
                    observed = f"it resolves to {listed(self._describe(a) for a in sorted(got))}"
                    found = tuple(sorted(got))
                    check = changed(
                        check, verdict=Verdict.FAILED, reason=None, observed=observed, observed_addresses=found
                    )
        return self._basis.placed(check, broker)

    def _describe(self, address: str) -> str:
        return (
            f"{address} ({self._basis.known[address]})"
            if address in self._basis.known
            else f"{address} (not in the topology)"
        )

    def _addresses(
        self, endpoint: BrokerView | BootstrapView, addresses: Sequence[AddressView], subject: SubjectOf, base: str
    ) -> Iterator[Check]:
        for address in addresses:
            where = (address.zone_id or address.address) if len(addresses) > 1 else _kind_words(address)
            if not address.must_connect:
                if self._basis.view.isolation:
                    yield self._must_not_connect(endpoint, address, f"{base}/connect-not/{where}", subject)
                continue
            for stage in self._judged_at(endpoint):
                outcomes = self._basis.seen.connection(stage, endpoint.name, address.address, endpoint.port)
                title = connection_title(stage, endpoint, address)
                check = _at_the_first_syn(
                    self._basis.check(f"{base}/{stage}/{where}", stage, subject, outcomes, title), outcomes
                )
                if check.verdict is Verdict.NOT_SEEN and not self._basis.resolved(endpoint.name, address.address):
                    check = changed(check, verdict=Verdict.BLOCKED, observed="the name does not resolve to it")
                yield self._at(check, endpoint, address)
            yield from self._unread_metadata(endpoint, address, f"{base}/{Stage.METADATA}/{where}", subject)

    def _at(self, check: Check, endpoint: BrokerView | BootstrapView, address: AddressView) -> Check:
        """The check, of one address."""
        place = {"name": endpoint.name, "address": address.address, "port": endpoint.port}
        return self._basis.with_remedy(changed(check, **place, broker_id=endpoint.broker_id))

    def _unread_metadata(
        self, endpoint: BrokerView | BootstrapView, address: AddressView, check_id: str, subject: SubjectOf
    ) -> Iterator[Check]:
        """That no metadata came from an address that was asked; what comes is compared, and has checks of its own."""
        outcomes = self._basis.seen.connection(Stage.METADATA, endpoint.name, address.address, endpoint.port)
        if any(outcome.status is Status.FAILED for outcome in outcomes):
            title = f"{address.address}:{endpoint.port} answers a Metadata request"
            check = self._basis.check(check_id, Stage.METADATA, subject, outcomes, title)
            yield self._at(check, endpoint, address)

    def _judged_at(self, endpoint: BrokerView | BootstrapView) -> Iterator[Stage]:
        """The stages there is something to say of at each address of an endpoint."""
        for stage in judged_per(Per.ADDRESS):
            spec = SPECS[stage]
            any_broker = endpoint.broker_id is None and (spec.names_a_broker or spec.brokers_only)
            if not any_broker and spec.applies(tls=self._basis.view.tls, logs_in=self._basis.view.logs_in):
                yield stage

    def _must_not_connect(
        self, endpoint: BrokerView | BootstrapView, address: AddressView, check_id: str, subject: SubjectOf
    ) -> Check:
        title = f"{address.address}:{endpoint.port} does not connect: {address.why_not}"
        outcomes = self._basis.seen.connection(Stage.CONNECT, endpoint.name, address.address, endpoint.port)
        check = self._basis.check(check_id, Stage.CONNECT, subject, outcomes, title, asserts=Assertion.DEAD_ADDRESS)
        if check.verdict is Verdict.NOT_SEEN and not self._basis.resolved(endpoint.name, address.address):
            check = changed(check, verdict=Verdict.BLOCKED, observed="the name does not resolve to it")
        check = changed(check, isolation=True, name=endpoint.name, address=address.address, port=endpoint.port)
        return inverted(check, outcomes, address.fails_with)

    def _advertised(self, broker: BrokerView, subject: SubjectOf) -> Check:
        title = broker_title(Stage.METADATA, broker)
        answers = self._basis.metadata
        asked = [o for o in self._basis.seen.all if o.stage is Stage.METADATA]
        entries = [
            (entry.name, entry.port)
            for facts in answers
            for entry in facts.brokers
            if entry.broker_id == broker.broker_id
        ]
        check = self._basis.check(
            f"broker-{broker.broker_id}/{Stage.METADATA}",
            Stage.METADATA,
            subject,
            sorted((o for o in asked if o.status is not Status.FAILED), key=lambda o: o.status is not Status.OK)[:1],
            title,
            asserts=Assertion.ADVERTISED,
        )
        if check.verdict is Verdict.NOT_SEEN and asked:
            check = changed(check, verdict=Verdict.BLOCKED, observed="no metadata was read")
        if answers:
            wrong = sorted({f"{name}:{port}" for name, port in entries if not _same(name, port, broker)})
            missing = sum(all(e.broker_id != broker.broker_id for e in facts.brokers) for facts in answers)
            if wrong:
                check = changed(check, verdict=Verdict.FAILED, observed=f"it is advertised at {listed(wrong)}")
            elif missing:
                if broker.broker_id not in lists_of(self._basis.seen.all):
                    self._basis.derived.add(check.check_id)
                seen = f"{missing} of {len(answers)} metadata answers do not list it"
                check = changed(check, verdict=Verdict.FAILED, observed=seen)
            else:
                check = changed(check, verdict=Verdict.PASSED, observed="", reason=None, blocked_by="")
        return self._basis.placed(check, broker)

    def bootstrap(self, entry: BootstrapView) -> Iterator[Check]:
        """Every check of one name that clients start from, and no broker has."""
        if entry.found_as is not None:
            subject = SubjectOf(Subject.BOOTSTRAP)
            resolved = self._basis.check(
                f"bootstrap/{entry.name}:{entry.port}/{Stage.RESOLVE}",
                Stage.RESOLVE,
                subject,
                self._basis.seen.resolve(entry.name),
                f"{entry.name} resolves",
            )
            yield self._basis.with_remedy(changed(resolved, name=entry.name, port=entry.port))
            yield from self._addresses(entry, entry.addresses, subject, f"bootstrap/{entry.name}:{entry.port}")
            return
        yield from self._addresses(
            entry, entry.addresses, SubjectOf(Subject.BOOTSTRAP), f"bootstrap/{entry.name.split('.')[0]}"
        )


_RIGHT_ALL_THE_SAME: Final = frozenset({Reason.SLOW, Reason.NAMESERVER_UNUSABLE})
"""What is wrong with how a name is answered, while the answer may be right."""


def _kind_words(address: AddressView) -> str:
    return "address" if address.kind is AddressKind.UNKNOWN else address.kind.value.replace("_", "-")


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
    return changed(check, verdict=Verdict.FAILED, reason=Reason.INTERMITTENT, observed=observed)


def _same(name: str, port: int, broker: BrokerView) -> bool:
    return canonical(name) == broker.name.lower() and port == broker.port
