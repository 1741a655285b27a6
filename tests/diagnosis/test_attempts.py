"""Further connections to an address that end otherwise than the first."""

from __future__ import annotations

import pytest

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.probes.outcome import Outcome, Reason, Role, Stage, Status
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import (
    DIRECT,
    NEAR,
    PEERING,
    SILENT,
    SINGLE,
    advertise,
    named,
    one,
    sent_again,
)
from tests.diagnosis.bent import Bend, at, attempted, diagnosis_of, failed, views_of


@pytest.mark.parametrize(
    ("pattern", "reasons", "codes"),
    [
        (PEERING, (None, Reason.TIMED_OUT), sets.NOW_AND_THEN),
        (SINGLE, (None, Reason.TIMED_OUT), sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED}),
        (PEERING, (Reason.REFUSED, None), one(Code.CLUSTER_BROKER_DOWN, Code.TRANSIENT_OVER)),
        (SINGLE, (Reason.REFUSED, None), sets.PARTLY_REFUSED),
        (SINGLE, (Reason.RESET, Reason.REFUSED), sets.PARTLY_REFUSED),
    ],
)
def test_attempts_that_end_differently(
    pattern: str, reasons: tuple[Reason | None, ...], codes: frozenset[Code]
) -> None:
    match = at(Stage.CONNECT, clients=[NEAR[pattern]], brokers=[2], where=lambda _v, o: o.status is Status.OK)
    diagnosis = diagnose([attempted(view, (match, reasons)) for view in views_of(pattern)])
    assert named(diagnosis) == [(codes, {NEAR[pattern]}, {2})]


_PERHAPS_TARGET = sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED, Code.NLB_BOOTSTRAP_TARGET_DEAD}


@pytest.mark.parametrize(
    ("lost", "reason", "codes"),
    [
        ("one", Reason.TIMED_OUT, _PERHAPS_TARGET),
        ("every", Reason.TIMED_OUT, _PERHAPS_TARGET),
        ("one", Reason.REFUSED, _PERHAPS_TARGET),
        ("every", Reason.REFUSED, one(Code.NLB_BOOTSTRAP_TARGET_DEAD)),
    ],
)
def test_connects_lost_at_the_bootstrap_port_alone(lost: str, reason: Reason, codes: frozenset[Code]) -> None:
    """However many of one client's connections vanish there: a member of equal-cost paths may drop each for ever."""

    def at_bootstrap(view: ClientView, o: Outcome) -> bool:
        everywhere = [(b.name, a.address) for b in view.bootstrap for a in b.addresses]
        chosen = everywhere[:1] if lost == "one" else everywhere
        return o.target.role is Role.BOOTSTRAP and (o.target.name, o.target.address) in chosen

    lost_there = (at(Stage.CONNECT, clients=["account_b"], where=at_bootstrap), (None, reason))
    well = (at(Stage.CONNECT, brokers=[1, 2, 3]), (None, None))
    diagnosis = diagnose([attempted(view, lost_there, well) for view in views_of(SINGLE)])
    assert named(diagnosis) == [(codes, {"account_b"}, set())]


def test_two_clients_that_lose_connects_at_the_bootstrap_port_alone_are_a_witness() -> None:
    both = ["account_b", "overlapping"]
    lost = (
        at(Stage.CONNECT, clients=both, where=lambda _v, o: o.target.role is Role.BOOTSTRAP),
        (None, Reason.TIMED_OUT),
    )
    diagnosis = diagnose([attempted(view, lost) for view in views_of(SINGLE)])
    assert named(diagnosis) == [(one(Code.NLB_BOOTSTRAP_TARGET_DEAD), set(both), set())]


def test_attempts_that_all_connect_are_no_finding() -> None:
    views = views_of(SINGLE)
    diagnosis = diagnose([attempted(view, (at(Stage.CONNECT, brokers=[1, 2, 3]), (None, None))) for view in views[:1]])
    assert diagnosis.findings == ()


def test_an_address_of_the_bootstrap_listener_is_silent_where_syns_took_a_second_at_the_others() -> None:
    """Where one SYN is lost now and then, two in a row are, and at the bootstrap port one attempt is all."""

    def first_name(view: ClientView, o: Outcome) -> bool:
        return o.target.role is Role.BOOTSTRAP and (o.target.name, o.target.address) == (
            view.bootstrap[0].name,
            view.bootstrap[0].addresses[0].address,
        )

    def second_name(view: ClientView, o: Outcome) -> bool:
        return o.target.role is Role.BOOTSTRAP and (o.target.name, o.target.address) == (
            view.bootstrap[1].name,
            view.bootstrap[1].addresses[1].address,
        )

    bends = [
        Bend(at(Stage.CONNECT, clients=["account_b"], brokers=[2]), sent_again),
        Bend(at(Stage.CONNECT, clients=["account_b"], where=first_name), SILENT),
        Bend(at(Stage.CONNECT, clients=["account_b"], where=second_name), sent_again),
    ]
    lost = sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED}
    at_bootstrap = (_PERHAPS_TARGET, {"account_b"}, set[int]())
    assert named(diagnosis_of(views_of(SINGLE), *bends)) == [(lost, {"account_b"}, {2}), at_bootstrap]


def test_a_stage_that_did_not_get_its_own_connection_met_the_losses_that_took_a_second_elsewhere() -> None:
    once = Bend(at(Stage.CONNECT, clients=["peered"], brokers=[1, 2]), sent_again)
    twice = Bend(at(Stage.PATH_SIZE, clients=["peered"], brokers=[3]), SILENT)
    assert named(diagnosis_of(views_of(PEERING), once, twice)) == [(sets.NOW_AND_THEN, {"peered"}, {1, 2, 3})]


def test_a_stage_whose_own_connection_fails_where_nothing_else_is_lost_is_of_unknown_cause() -> None:
    diagnosis = diagnosis_of(views_of(PEERING), Bend(at(Stage.PATH_SIZE, clients=["peered"], brokers=[3]), SILENT))
    assert named(diagnosis) == [(one(Code.UNKNOWN), {"peered"}, {3})]


def test_what_follows_from_a_cause_stays_with_it_where_losses_before_it_become_one() -> None:
    bends = [
        Bend(at(Stage.CONNECT, clients=["peered"], brokers=[1]), sent_again),
        Bend(at(Stage.PATH_SIZE, clients=["peered"], brokers=[3]), SILENT),
        advertise(2, "b-2.internal", 0),
        Bend(at(Stage.PRODUCE, clients=["remote_by_peering"], brokers=[2]), failed(Reason.TRANSPORT)),
    ]
    diagnosis = diagnosis_of(views_of(PEERING), *bends)
    lost = (sets.NOW_AND_THEN, {"peered"}, {1, 3})
    assert named(diagnosis) == [lost, (one(Code.METADATA_ADVERTISED_NAME), DIRECT, {2})]
    assert [found.consequences for found in diagnosis.findings] == [(), ("remote_by_peering/broker-2/produce",)]
