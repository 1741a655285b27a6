"""What an answer is worth, as a table."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.accuracy.score import UNKNOWN, Attribution, score, set_size
from brokerproof.accuracy.trial import Injected, Named, Trial, TrialKind
from tests.accuracy.made import fault, named, trial

DNS = fault("dns.record_missing")
ROUTE = fault("route.missing_client", "route.missing_return", "security.network_acl")
OTHER = fault("tls.certificate_dates")
UNHEARD_OF = fault(UNKNOWN)


@pytest.mark.parametrize(
    ("cause", "found", "expected"),
    [
        (DNS, [("dns.record_missing",)], Attribution.SHARP),
        (DNS, [("dns.stale_record",), ("dns.record_missing",)], Attribution.SHARP),
        (DNS, [("dns.record_missing", "dns.stale_record")], Attribution.WIDER),
        (DNS, [("dns.stale_record",)], Attribution.WRONG),
        (DNS, [(UNKNOWN,)], Attribution.UNKNOWN),
        (DNS, [(UNKNOWN,), ("dns.stale_record",)], Attribution.WRONG),
        (DNS, [], Attribution.MISSED),
        (ROUTE, [("route.missing_client",)], Attribution.SHARP),
        (ROUTE, [("route.missing_client", "route.missing_return")], Attribution.RIGHT_SET),
        (ROUTE, [("route.missing_client", "route.missing_return", "security.network_acl")], Attribution.RIGHT_SET),
        (ROUTE, [("route.missing_client", "tls.clock_wrong")], Attribution.WIDER),
        (ROUTE, [("route.missing_return", "security.network_acl")], Attribution.WRONG),
        (UNHEARD_OF, [(UNKNOWN,)], Attribution.RIGHTLY_UNKNOWN),
        (UNHEARD_OF, [("dns.record_missing",)], Attribution.WRONG),
    ],
)
def test_one_fault(cause: Injected, found: list[tuple[str, ...]], expected: Attribution) -> None:
    worth = score(trial(cause, found=tuple(named(*codes) for codes in found)))
    assert worth.causes == ((cause, expected),)


@pytest.mark.parametrize("attribution", Attribution)
def test_only_these_are_as_good_as_can_be(attribution: Attribution) -> None:
    assert attribution.good == (attribution.value in {"sharp", "right_set", "hidden", "rightly_unknown"})


def test_among_several_each_finding_answers_the_causes_it_has() -> None:
    both = named("route.missing_client", "route.missing_return")
    worth = score(trial(DNS, ROUTE, OTHER, found=(both, named("dns.record_missing"))))
    assert [found for _, found in worth.causes] == [Attribution.SHARP, Attribution.RIGHT_SET, Attribution.MISSED]
    assert not worth.good
    assert not worth.beyond


def test_one_set_may_hold_several_causes() -> None:
    twin = fault("route.missing_return", "route.missing_client", "security.network_acl")
    worth = score(trial(ROUTE, twin, found=(named("route.missing_client", "route.missing_return"),)))
    assert [found for _, found in worth.causes] == [Attribution.RIGHT_SET, Attribution.RIGHT_SET]
    assert worth.good


def test_what_is_hidden_need_not_be_named_but_may_be() -> None:
    worth = score(trial(DNS, OTHER, found=(named("dns.record_missing"),), hidden=(OTHER.fault,)))
    assert [found for _, found in worth.causes] == [Attribution.SHARP, Attribution.HIDDEN]
    assert worth.good
    found = (named("dns.record_missing"), named("tls.certificate_dates"))
    assert [a for _, a in score(trial(DNS, OTHER, found=found, hidden=(OTHER.fault,))).causes] == [
        Attribution.SHARP,
        Attribution.SHARP,
    ]


def test_an_advice_that_nothing_shows_is_hidden_too() -> None:
    advice = msgspec.structs.replace(fault("kafka.final_dot"), advice=True)
    assert [a for _, a in score(trial(advice)).causes] == [Attribution.MISSED]
    assert [a for _, a in score(trial(advice, hidden=(advice.fault,))).causes] == [Attribution.HIDDEN]


def test_what_is_hidden_may_be_in_a_set_that_is_too_wide_for_it() -> None:
    """An ACL before an endpoint that does not answer at all: the endpoint's own set has ACLs among others."""
    acl = fault("security.network_acl", "route.missing_subnet")
    endpoint = fault("endpoint.not_available", "security.network_acl", "security.endpoint_group")
    found = (named("endpoint.not_available", "security.network_acl", "security.endpoint_group"),)
    worth = score(trial(acl, endpoint, found=found))
    assert [a for _, a in worth.causes] == [Attribution.WIDER, Attribution.RIGHT_SET]
    worth = score(trial(acl, endpoint, found=found, hidden=(acl.fault,)))
    assert [a for _, a in worth.causes] == [Attribution.HIDDEN, Attribution.RIGHT_SET]


def test_a_finding_beyond_the_causes_is_a_false_alarm() -> None:
    alarm = named("nlb.no_target")
    worth = score(trial(DNS, found=(named("dns.record_missing"), alarm)))
    assert worth.beyond == (alarm,)
    assert not worth.good
    # Where a cause is not named, it is that cause's wrong name, and counted once.
    assert score(trial(DNS, found=(alarm,))).beyond == ()


@pytest.mark.parametrize(
    ("advised", "found", "expected", "good"),
    [
        (("dns.aaaa_denied", "other"), (), Attribution.SHARP, True),
        ((), (), Attribution.MISSED, False),
        (("dns.aaaa_denied",), (named("dns.record_missing"),), Attribution.SHARP, False),
        ((), (named("dns.record_missing"),), Attribution.MISSED, False),
    ],
)
def test_an_advice_is_given_and_nothing_is_found(
    advised: tuple[str, ...], found: tuple[Named, ...], expected: Attribution, good: bool
) -> None:
    cause = msgspec.structs.replace(fault("dns.aaaa_denied"), advice=True)
    tried = msgspec.structs.replace(trial(cause, found=found), advised=advised)
    worth = score(tried)
    assert [found for _, found in worth.causes] == [expected]
    assert worth.good == good
    assert set_size(cause, tried) == (1 if expected is Attribution.SHARP else None)
    assert score(msgspec.structs.replace(trial(), advised=advised)).good  # of a clean lab it is no alarm


def test_a_wrong_name_is_kept_whether_the_cause_is_named_or_not() -> None:
    alarm, vague = named("nlb.no_target"), named("nlb.no_target", "nlb.stale_target")
    worth = score(trial(DNS, found=(named("dns.record_missing"), alarm, vague)))
    assert worth.stray == (alarm, vague)
    assert score(trial(DNS, found=(alarm,))).stray == (alarm,)


@pytest.mark.parametrize(
    ("found", "size"),
    [
        ((), None),
        ((named("tls.clock_wrong"),), None),
        ((named("route.missing_client"),), 1),
        ((named("route.missing_client", "a"), named("route.missing_client", "a", "b")), 2),
    ],
)
def test_the_size_of_a_set_is_that_of_the_narrowest_that_names_the_cause(
    found: tuple[Named, ...], size: int | None
) -> None:
    assert set_size(ROUTE, trial(ROUTE, found=found)) == size


@pytest.mark.parametrize(
    ("found", "answer", "good"),
    [
        ((), "nothing_wrong", True),
        ((), "not_enough_seen", False),
        ((), "findings", False),
        ((named("dns.record_missing"),), "findings", False),
        ((named(UNKNOWN),), "findings", False),
    ],
)
def test_a_clean_lab(found: tuple[Named, ...], answer: str, good: bool) -> None:
    worth = score(trial(found=found, answer=answer))
    assert worth.good == good
    assert worth.beyond == found


@pytest.mark.parametrize(
    ("kind", "codes", "good", "disturbed"),
    [
        (TrialKind.BUSY, ("transient.over",), True, True),
        (TrialKind.BUSY, ("tcp.packet_loss", "transient.over"), True, True),
        (TrialKind.BUSY, ("tcp.packet_loss",), False, False),
        (TrialKind.CLEAN, ("transient.over",), False, False),
    ],
)
def test_on_a_busy_machine_alone_it_is_no_alarm_that_something_was_over(
    kind: TrialKind, codes: tuple[str, ...], good: bool, disturbed: bool
) -> None:
    worth = score(msgspec.structs.replace(trial(found=(named(*codes),)), kind=kind))
    assert (worth.good, worth.disturbed) == (good, disturbed)


def test_what_was_not_carried_out_is_neither_right_nor_wrong() -> None:
    worth = score(trial(DNS, problem="the lab ended"))
    assert (worth.measured, worth.causes, worth.good) == (False, (), False)


@pytest.mark.parametrize(
    ("kind", "injected", "hidden"),
    [
        (TrialKind.CLEAN, (DNS,), ()),
        (TrialKind.BUSY, (DNS,), ()),
        (TrialKind.SINGLE, (), ()),
        (TrialKind.SINGLE, (DNS,), ("other",)),
    ],
)
def test_contradictions_are_refused(kind: TrialKind, injected: tuple[Injected, ...], hidden: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="case/1"):
        Trial(case_id="case/1", kind=kind, pattern="peering", injected=injected, hidden=hidden)


def test_a_fault_without_its_own_cause_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dns\.one is not among"):
        Injected(fault="f", layer="dns", cause="dns.one", codes=("dns.two",))
