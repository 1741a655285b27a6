"""Certificates that are each right and do not go together: something ends TLS on the way, or one was renewed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Answer, Diagnosis
from brokerproof.probes.outcome import GroupFacts, HandshakeFacts, Outcome, Reason, Role, Stage, Status
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import EVERYONE, IN_VPC, MANAGED, MULTI, PEERING, SINGLE
from tests.diagnosis.bent import Bend, Change, at, diagnosis_of, views_of

NAMES = ("*.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com",)
EARLIER, LATER = "2026-01-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"


def shown(
    sha256: str,
    *,
    issuer: str = "CN=Amazon RSA 2048 M01,O=Amazon,C=US",
    not_before: str = EARLIER,
    names: tuple[str, ...] = NAMES,
    started_ns: int = 0,
) -> Change:
    facts = HandshakeFacts(sni="b", sha256=sha256, issuer=issuer, not_before=not_before, dns_names=names)
    return lambda o: msgspec.structs.replace(o, facts=facts, started_ns=started_ns, duration_ns=1)


def untrusted(sha256: str, *, issuer: str) -> Change:
    change = shown(sha256, issuer=issuer)

    def bent(o: Outcome) -> Outcome:
        told = change(o)
        assert told is not None
        return msgspec.structs.replace(told, status=Status.FAILED, reason=Reason.CHAIN_UNTRUSTED)

    return bent


OWN, OF_A_PROXY = shown("own"), shown("proxy", issuer="CN=Corporate CA", not_before=LATER)


def found_in(pattern: str, *bends: Bend) -> Diagnosis:
    return diagnosis_of(views_of(pattern), *bends)


def test_a_proxy_before_one_broker() -> None:
    """One broker of three has another leaf of another issuer; everything works through it."""
    diagnosis = found_in(
        IN_VPC,
        Bend(at(Stage.HANDSHAKE, brokers=[1, 3]), OWN),
        Bend(at(Stage.HANDSHAKE, brokers=[2]), OF_A_PROXY),
    )
    [found] = diagnosis.findings
    assert set(found.codes) == {Code.TLS_INSPECTED, Code.TLS_CERTIFICATE_RENEWED}
    assert (found.broker_ids, found.stage) == ((2,), Stage.HANDSHAKE)
    assert "Corporate CA" in found.observed
    assert "Amazon RSA 2048 M01" in found.observed
    assert found.next_step


def test_a_proxy_that_alone_has_a_certificate_which_clients_trust() -> None:
    """The brokers' own authority is not trusted; one broker's is right, and no broker of this cluster has another."""
    diagnosis = found_in(
        IN_VPC,
        Bend(at(Stage.HANDSHAKE, brokers=[1, 3]), untrusted("own", issuer="CN=Somebody's CA")),
        Bend(at(Stage.HANDSHAKE, brokers=[2]), OF_A_PROXY),
    )
    found = {frozenset(one.codes): one.broker_ids for one in diagnosis.findings}
    assert found[frozenset({Code.TLS_INSPECTED, Code.TLS_CERTIFICATE_RENEWED})] == (2,)


@pytest.mark.parametrize(
    ("coordinator", "others"),
    [(2, []), (1, [(Code.ISOLATION_SECOND_PATH,)])],
    ids=["the coordinator behind the proxy", "another coordinator"],
)
def test_the_coordinator_behind_a_proxy_sees_the_proxy(coordinator: int, others: list[tuple[Code, ...]]) -> None:
    diagnosis = found_in(
        SINGLE,
        Bend(at(Stage.HANDSHAKE), OWN),
        Bend(at(Stage.HANDSHAKE, clients=["account_b"], brokers=[2]), OF_A_PROXY),
        Bend(
            at(Stage.GROUP, clients=["account_b"]),
            lambda o: msgspec.structs.replace(
                o, facts=GroupFacts(group="g", coordinator_id=coordinator, client_host="10.0.16.99")
            ),
        ),
    )
    found = [f for f in diagnosis.findings if Code.TLS_INSPECTED in f.codes]
    assert [set(f.codes) for f in found] == [{Code.TLS_INSPECTED, Code.TLS_CERTIFICATE_RENEWED, Code.NLB_TLS_LISTENER}]
    assert [f.codes for f in diagnosis.findings if f not in found] == others


def at_one_address(view: ClientView, o: Outcome) -> bool:
    broker = next((b for b in view.brokers if b.broker_id == 2), None)
    return broker is not None and o.target.address == broker.addresses[0].address


def test_a_proxy_at_one_address_of_one_broker() -> None:
    diagnosis = found_in(
        SINGLE,
        Bend(at(Stage.HANDSHAKE), OWN),
        Bend(at(Stage.HANDSHAKE, clients=["account_b"], brokers=[2], where=at_one_address), OF_A_PROXY),
    )
    [found] = diagnosis.findings
    assert set(found.codes) == {Code.TLS_INSPECTED, Code.TLS_CERTIFICATE_RENEWED, Code.NLB_TLS_LISTENER}
    assert (found.clients, found.broker_ids, len(found.addresses)) == (("account_b",), (2,), 1)


def test_a_proxy_on_the_way_of_one_client() -> None:
    diagnosis = found_in(
        PEERING,
        Bend(at(Stage.HANDSHAKE, clients=["peered"]), OF_A_PROXY),
        Bend(at(Stage.HANDSHAKE, clients=["cluster_vpc", "remote_by_peering"]), OWN),
    )
    [found] = diagnosis.findings
    assert set(found.codes) == {Code.TLS_INSPECTED, Code.TLS_CERTIFICATE_RENEWED}
    assert (found.clients, found.broker_ids) == (("peered",), (1, 2, 3))


def test_where_neither_has_most_both_are_told() -> None:
    diagnosis = found_in(
        PEERING,
        Bend(at(Stage.HANDSHAKE, clients=["peered"]), OF_A_PROXY),
        Bend(at(Stage.HANDSHAKE, clients=["cluster_vpc"]), OWN),
    )
    [found] = diagnosis.findings
    assert found.clients == ("cluster_vpc", "peered")


def by_address(*changes: Change) -> Callable[[Outcome], Outcome]:
    """The first change at the first address met, the second at the second, and so on."""
    met: dict[str, Change] = {}

    def change(o: Outcome) -> Outcome:
        done = met.setdefault(o.target.address, changes[len(met) % len(changes)])(o)
        assert done is not None
        return done

    return change


RENEWED = shown("new", not_before=LATER, started_ns=20)


BEHIND_NLB = {Code.TLS_INSPECTED, Code.NLB_TLS_LISTENER}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ((shown("own", started_ns=10), RENEWED, RENEWED), set()),
        ((shown("own", started_ns=30), RENEWED, RENEWED), BEHIND_NLB | {Code.TLS_CERTIFICATE_RENEWED}),
        ((shown("own", started_ns=30), RENEWED, shown("own", started_ns=40)), BEHIND_NLB),
        ((shown("own"), shown("own"), shown("own")), set()),
    ],
    ids=["renewed", "the earlier one came back", "it came back twice", "one certificate"],
)
def test_a_renewal_within_a_run_is_no_fault(changes: tuple[Change, ...], codes: set[Code]) -> None:
    """Same issuer, same names, a later date, and the earlier one is not shown again."""
    [view] = [view for view in views_of(SINGLE) if view.client == "account_b"]
    bends = [
        Bend(at(Stage.HANDSHAKE, brokers=[2]), by_address(*changes)),
        Bend(at(Stage.HANDSHAKE, brokers=[1, 3]), OWN),
    ]
    diagnosis = diagnosis_of([view], *bends)
    assert diagnosis.answer is (Answer.FINDINGS if codes else Answer.NOTHING_WRONG)
    assert [set(found.codes) for found in diagnosis.findings] == ([codes] if codes else [])


def test_brokers_may_have_certificates_of_their_own() -> None:
    bends = [Bend(at(Stage.HANDSHAKE, brokers=[n]), shown(f"own-{n}", names=(f"b-{n}.example",))) for n in (1, 2, 3)]
    assert found_in(PEERING, *bends).answer is Answer.NOTHING_WRONG


def test_one_broker_has_certificates_of_other_names() -> None:
    bends = [
        Bend(at(Stage.HANDSHAKE), OWN),
        Bend(at(Stage.HANDSHAKE, clients=["peered"]), shown("proxy", names=("*.example",))),
    ]
    [found] = found_in(PEERING, *bends).findings
    assert set(found.codes) == {Code.TLS_INSPECTED, Code.TLS_CERTIFICATE_RENEWED}
    assert found.clients == ("peered",)


def on_b_1(_view: ClientView, o: Outcome) -> bool:
    return o.target.role is Role.BOOTSTRAP and o.target.name[:3] == "b-1"


def test_the_bootstrap_name_is_compared_as_well() -> None:
    bootstrap = Bend(at(Stage.HANDSHAKE, where=on_b_1), OF_A_PROXY)
    answered = Bend(
        at(Stage.IDENTITY, where=on_b_1),
        lambda o: msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, answered_by=1)),  # type: ignore[type-var]
    )
    [found] = found_in(SINGLE, Bend(at(Stage.HANDSHAKE), OWN), bootstrap, answered).findings
    assert (set(found.clients), found.subjects) == (EVERYONE, ("bootstrap",))


UNKNOWN_ISSUER = {Code.TLS_UNTRUSTED_AUTHORITY, Code.TLS_CHAIN_INCOMPLETE, Code.TLS_INSPECTED}


@pytest.mark.parametrize(
    ("pattern", "client", "codes"),
    [
        (PEERING, "peered", {Code.TLS_INSPECTED}),
        (SINGLE, "account_b", BEHIND_NLB),
        (MULTI, "account_b", BEHIND_NLB),
        (MANAGED, "account_b", {Code.TLS_INSPECTED}),
    ],
)
def test_a_certificate_that_one_client_does_not_trust_may_be_a_load_balancers(
    pattern: str, client: str, codes: set[Code]
) -> None:
    bends = [
        Bend(at(Stage.HANDSHAKE, clients=[client]), untrusted("other", issuer="CN=Somebody's CA")),
        Bend(at(Stage.HANDSHAKE), OWN),
    ]
    found = [set(each.codes) for each in found_in(pattern, *bends).findings if each.clients == (client,)]
    assert found == [codes]


@pytest.mark.parametrize(
    ("pattern", "codes"), [(MULTI, UNKNOWN_ISSUER | {Code.NLB_TLS_LISTENER}), (MANAGED, UNKNOWN_ISSUER)]
)
def test_what_a_client_at_the_brokers_is_shown_is_no_witness_behind_a_load_balancer(
    pattern: str, codes: set[Code]
) -> None:
    """Another listener may have another certificate, which the client need not trust."""
    views = [view for view in views_of(pattern) if view.client in {"cluster_vpc", "account_b"}]
    bends = [
        Bend(at(Stage.HANDSHAKE, clients=["account_b"]), untrusted("other", issuer="CN=Somebody's CA")),
        Bend(at(Stage.HANDSHAKE), OWN),
    ]
    found = [set(each.codes) for each in diagnosis_of(views, *bends).findings if each.clients == ("account_b",)]
    assert found == [codes]
