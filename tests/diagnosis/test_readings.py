"""A client of which only its names are known: green where all is well, and no cause said surer than the evidence."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Answer
from brokerproof.diagnosis.found_addresses import with_found_addresses
from brokerproof.diagnosis.readings import DIRECT, FRONTED, IN_VPC, MANAGED, allowed
from brokerproof.probes.outcome import HandshakeFacts, Outcome, Reason, Role, Stage, Status, Target
from brokerproof.probes.plan import VERIFY_STAGES
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import AddressKind, ClientView
from brokerproof.topology.patterns import PATTERNS
from tests.diagnosis.bends import NO_NAME, REFUSED, SILENT
from tests.diagnosis.bent import Bend, at, failed, judged, seen
from tests.diagnosis.perfect import outcome, perfect
from tests.topology.test_unknown import without_places

EVERY: Final = [
    ("in_vpc", "cluster_vpc"),
    ("peering", "peered"),
    ("transit_gateway", "by_gateway"),
    ("privatelink_single_nlb", "account_b"),
    ("privatelink_single_nlb", "cluster_vpc"),
    ("privatelink_multi_nlb", "account_b"),
    ("multi_vpc", "account_b"),
]
EXPIRED: Final = HandshakeFacts(sni="b", problems=(Reason.CERTIFICATE_EXPIRED,))
BENDS: Final = {
    "every connection is silent": Bend(at(Stage.CONNECT), SILENT),
    "one broker is silent": Bend(at(Stage.CONNECT, brokers=[1]), SILENT),
    "one broker refuses": Bend(at(Stage.CONNECT, brokers=[2]), REFUSED),
    "no name exists": Bend(at(Stage.RESOLVE), NO_NAME),
    "another broker answers": Bend(at(Stage.IDENTITY, brokers=[3]), failed(Reason.OTHER_BROKER)),
    "a certificate has expired": Bend(at(Stage.HANDSHAKE), failed(Reason.CERTIFICATE_EXPIRED, EXPIRED)),
}


def known(pattern: str, client: str) -> ClientView:
    return expect(PATTERNS[pattern].build(), client)


def unknown(pattern: str, client: str) -> ClientView:
    return expect(without_places(PATTERNS[pattern].build(), client), client)


def on_the_path(pattern: str, client: str) -> tuple[Outcome, ...]:
    """What a client sees whose path is right, without what its plan would not ask for."""
    found = perfect(known(pattern, client))
    return tuple(o for o in found if o.target.role in {Role.BROKER, Role.CLUSTER} and o.stage in VERIFY_STAGES)


def bent(pattern: str, client: str, bend: Bend) -> tuple[Outcome, ...]:
    found = seen(known(pattern, client), bend).outcomes
    return tuple(o for o in found if o.target.role in {Role.BROKER, Role.CLUSTER} and o.stage in VERIFY_STAGES)


@pytest.mark.parametrize(("pattern", "client"), EVERY)
def test_a_healthy_path_is_green(pattern: str, client: str) -> None:
    outcomes = on_the_path(pattern, client)
    view = with_found_addresses(unknown(pattern, client), outcomes)
    assert {b.broker_id: {a.address for a in b.addresses} for b in view.brokers} == {
        b.broker_id: {a.address for a in b.addresses} for b in known(pattern, client).brokers
    }
    found = judged(view, outcomes)
    assert {c.verdict for c in found.checks} == {Verdict.PASSED}
    assert diagnose([found]).answer is Answer.NOTHING_WRONG
    assert len({c.check_id for c in found.checks}) == len(found.checks)
    assert not any(", )" in c.title or "None" in c.title for c in found.checks)


@pytest.mark.parametrize("bend", BENDS.values(), ids=BENDS)
@pytest.mark.parametrize(("pattern", "client"), EVERY)
def test_what_is_not_known_makes_a_set_larger_and_never_surer(pattern: str, client: str, bend: Bend) -> None:
    outcomes = bent(pattern, client, bend)
    whole = diagnose([judged(known(pattern, client), outcomes)])
    less = diagnose([judged(with_found_addresses(unknown(pattern, client), outcomes), outcomes)])
    for finding in whole.findings:
        if finding.unknown:
            continue
        codes = {code for other in less.findings if other.stage is finding.stage for code in other.codes}
        assert set(finding.codes) <= codes, f"{finding.codes} of {finding.wrong}; said {codes}"
    for other in less.findings:
        assert bool(other.causes) is (len(other.codes) > 1)
        assert other.change


def test_where_nothing_resolves_later_stages_wait_for_the_name() -> None:
    outcomes = bent("peering", "peered", BENDS["no name exists"])
    found = judged(with_found_addresses(unknown("peering", "peered"), outcomes), outcomes)
    assert {c.verdict for c in found.checks if c.stage is Stage.RESOLVE} == {Verdict.FAILED}
    connects = [c for c in found.checks if c.stage is Stage.CONNECT]
    assert {c.verdict for c in connects} == {Verdict.BLOCKED}


def test_names_and_addresses_say_what_a_path_can_be() -> None:
    def ways(pattern: str, client: str) -> tuple[object, ...]:
        return allowed(with_found_addresses(unknown(pattern, client), on_the_path(pattern, client)))

    assert ways("peering", "peered") == (*DIRECT, *FRONTED)
    assert ways("privatelink_single_nlb", "account_b") == FRONTED, "a broker has one interface"
    assert ways("multi_vpc", "account_b") == (MANAGED,), "such names are of nothing else"


def loopback(addresses: tuple[str, ...], refused: tuple[str, ...] = ()) -> ClientView:
    view = unknown("in_vpc", "cluster_vpc")
    view = msgspec.structs.replace(
        view, brokers=(msgspec.structs.replace(view.brokers[0], name="localhost"),), bootstrap=()
    )
    connects = tuple(
        outcome(
            Stage.CONNECT,
            Target(role=Role.BROKER, name="localhost", address=a, port=view.brokers[0].port, broker_id=1),
            Status.FAILED if a in refused else Status.OK,
            Reason.REFUSED if a in refused else None,
        )
        for a in addresses
    )
    return with_found_addresses(view, connects)


def test_on_this_host_nothing_is_of_aws() -> None:
    assert allowed(loopback(("127.0.0.1",))) == (IN_VPC,)


def test_a_loopback_address_that_is_only_in_the_hosts_file_is_no_part_of_the_path() -> None:
    [broker] = loopback(("::1", "127.0.0.1"), refused=("::1",)).brokers
    assert [a.address for a in broker.addresses] == ["127.0.0.1"]
    [broker] = loopback(("::1", "127.0.0.1"), refused=("::1", "127.0.0.1")).brokers
    assert [a.address for a in broker.addresses] == ["127.0.0.1", "::1"], "where none answers, both are said"
    assert {a.kind for a in broker.addresses} == {AddressKind.UNKNOWN}


def test_a_cause_that_every_reading_names_is_said_alone() -> None:
    outcomes = bent("peering", "peered", BENDS["a certificate has expired"])
    view = with_found_addresses(unknown("peering", "peered"), outcomes)
    [finding] = diagnose([judged(view, outcomes)]).findings
    assert Code.TLS_CERTIFICATE_DATES in finding.codes
