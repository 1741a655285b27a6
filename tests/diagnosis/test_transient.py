"""What was over before the run ended is told from what lasts, and another client's passing from both."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.probes.outcome import AgainFacts, AuthenticateFacts, Outcome, Reason, Role, Stage, Status
from tests.diagnosis.bends import DIRECT, IN_VPC, MULTI, PEERING, SINGLE, named, one, unlisted
from tests.diagnosis.bent import Bend, answers, at, failed, judged, looked_at_again, seen, views_of


def diagnosed(pattern: str, *bends: Bend, over: bool) -> Diagnosis:
    return diagnose([looked_at_again(view, *bends, over=over) for view in views_of(pattern)])


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.RESET])
def test_what_was_refused_each_time_and_then_accepted_is_transient(reason: Reason) -> None:
    down = Bend(at(Stage.CONNECT, brokers=[2]), failed(reason))
    found = diagnosed(PEERING, down, unlisted(2), over=True)
    assert named(found) == [(one(Code.TRANSIENT_OVER), DIRECT, {2})]
    assert found.findings[0].second_look == "well again, 3.0 s after the first failure"


def test_what_is_refused_both_times_lasts() -> None:
    down = Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.REFUSED))
    found = diagnosed(PEERING, down, unlisted(2), over=False)
    assert named(found) == [(one(Code.CLUSTER_BROKER_DOWN), DIRECT, {2})]
    assert found.findings[0].second_look == "the same, 3.0 s after the first failure"


def test_a_handshake_that_failed_and_then_passed_is_transient() -> None:
    closed = Bend(at(Stage.HANDSHAKE, brokers=[2]), failed(Reason.CLOSED))
    found = diagnosed(PEERING, closed, over=True)
    assert named(found) == [(one(Code.TRANSIENT_OVER), DIRECT, {2})]


def test_silence_that_is_over_may_have_been_loss() -> None:
    vanished = Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.TIMED_OUT))
    found = diagnosed(PEERING, vanished, over=True)
    expected = one(Code.TRANSIENT_OVER, Code.TCP_PACKET_LOSS, Code.TCP_CONNECTIONS_EXHAUSTED)
    assert named(found) == [(expected, DIRECT, {2})]


def test_one_failure_of_one_client_is_too_few_to_say_it_alone() -> None:
    closed = Bend(at(Stage.HANDSHAKE, clients=["peered"], brokers=[2]), failed(Reason.CLOSED))
    [found] = diagnosed(PEERING, closed, over=True).findings
    assert Code.TRANSIENT_OVER in found.codes
    assert not found.sure


def test_nothing_turns_green_by_the_second_look() -> None:
    down = Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.REFUSED))
    runs = [looked_at_again(view, down, over=True) for view in views_of(PEERING)]
    checks = {c.verdict for run in runs for c in run.checks if c.stage is Stage.CONNECT and c.broker_id == 2}
    assert {verdict.value for verdict in checks} == {"failed"}


def test_another_target_that_answers_the_bootstrap_port_makes_nothing_transient() -> None:
    lost = Bend(at(Stage.CONNECT, where=lambda _v, o: o.target.role is Role.BOOTSTRAP), failed(Reason.TIMED_OUT))
    runs = [looked_at_again(view, lost, over=True, role=Role.BOOTSTRAP) for view in views_of(SINGLE)]
    codes = {code for f in diagnose(runs).findings for code in f.codes}
    assert Code.TRANSIENT_OVER not in codes


def test_a_wrong_answer_that_is_given_both_times_lasts_though_no_probe_failed() -> None:
    """The resolver answers each time, so the probe is content; that the answer is wrong only the comparison knows."""
    views = views_of(MULTI)
    theirs = tuple(a.address for a in next(v for v in views if v.client == "account_b").brokers[1].addresses)
    swapped = Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[1]), answers(*theirs))
    runs = []
    for view in views:
        first = seen(view, swapped)
        resolved = [o for o in first.outcomes if o.stage is Stage.RESOLVE and o.target.role is Role.BROKER]
        again = tuple(msgspec.structs.replace(o, look=2, started_ns=3_000_000_000) for o in resolved)
        runs.append(msgspec.structs.replace(first, outcomes=(*first.outcomes, *again)))
    [found] = diagnose(runs).findings
    assert found.codes == (Code.DNS_WRONG_ENDPOINT,)
    assert found.second_look == ""


@pytest.mark.parametrize(
    ("stage", "reason"), [(Stage.PRODUCE, Reason.TOPIC_NOT_CREATED), (Stage.GROUP, Reason.COORDINATOR_UNAVAILABLE)]
)
def test_a_topic_or_group_that_is_well_the_next_time_was_asked_of_another_broker(stage: Stage, reason: Reason) -> None:
    """The second look makes its own, and may ask another broker: that this one answers says nothing of the first."""
    bend = Bend(at(stage), failed(reason))
    found = diagnose([looked_at_again(view, bend, over=True, role=Role.CLUSTER) for view in views_of(PEERING)])
    assert found.findings
    assert Code.TRANSIENT_OVER not in {code for f in found.findings for code in f.codes}


def test_another_broker_in_its_place_was_no_outage() -> None:
    """Where brokers take turns behind a port, the right one comes up now and then."""
    bend = Bend(at(Stage.IDENTITY, brokers=[2]), failed(Reason.OTHER_BROKER))
    found = diagnosed(SINGLE, bend, over=True)
    assert found.findings
    assert Code.TRANSIENT_OVER not in {code for f in found.findings for code in f.codes}


def test_silence_on_a_connection_that_stands_exhausts_no_connections() -> None:
    bend = Bend(at(Stage.HANDSHAKE, brokers=[2]), failed(Reason.TIMED_OUT))
    found = diagnosed(PEERING, bend, over=True)
    assert named(found) == [(one(Code.TRANSIENT_OVER, Code.TCP_PACKET_LOSS), DIRECT, {2})]


@pytest.mark.parametrize(("order", "ended"), [((False, False, True), True), ((False, True, False), False)])
def test_what_failed_until_it_worked_may_have_ended_meanwhile(order: tuple[bool, ...], *, ended: bool) -> None:
    [view] = [view for view in views_of(PEERING) if view.client == "peered"]
    connects = at(Stage.CONNECT, brokers=[2])
    tried = [None if worked else Reason.TIMED_OUT for worked in order]
    perfect = [o for o in seen(view).outcomes if not connects(view, o)]
    connect = next(o for o in seen(view).outcomes if connects(view, o))
    attempts = [
        msgspec.structs.replace(
            connect,
            attempt=number,
            started_ns=number * 1_000_000_000,
            status=Status.FAILED if reason else Status.OK,
            reason=reason,
        )
        for number, reason in enumerate(tried, start=1)
    ]
    run = judged(view, (*perfect, *attempts))
    codes = {code for f in diagnose([run]).findings for code in f.codes}
    assert Code.TCP_PACKET_LOSS in codes
    assert (Code.TRANSIENT_OVER in codes) == ended


@pytest.mark.parametrize(
    ("elsewhere", "over"),
    [(None, False), (AgainFacts(accepted=False), False), (AgainFacts(accepted=True), True)],
    ids=["nowhere", "refused elsewhere", "accepted elsewhere"],
)
def test_a_second_login_that_another_connection_of_the_next_look_made_is_compared_with_that(
    elsewhere: AgainFacts | None, over: bool
) -> None:
    """One connection of each look authenticates again, whichever is first."""
    refused = AuthenticateFacts(again=AgainFacts(accepted=False))
    here = Bend(at(Stage.AUTHENTICATE, brokers=[2]), failed(Reason.PRINCIPAL_CHANGED, refused))
    runs = []
    for view in views_of(IN_VPC, authentication="iam"):
        first = looked_at_again(view, here, over=True)
        plain = [_authenticates(o, None) if o.look == 2 else o for o in first.outcomes]
        there = next(o for o in plain if o.stage is Stage.AUTHENTICATE and o.target.broker_id == 1)
        second = _authenticates(msgspec.structs.replace(there, look=2, started_ns=3_000_000_000), elsewhere)
        runs.append(judged(view, (*plain, second)))
    [found] = diagnose(runs).findings
    assert (Code.TRANSIENT_OVER in found.codes) is over
    assert (found.codes == (Code.AUTH_REAUTHENTICATION,)) is not over


def _authenticates(outcome: Outcome, again: AgainFacts | None) -> Outcome:
    if outcome.stage is not Stage.AUTHENTICATE:
        return outcome
    return msgspec.structs.replace(outcome, facts=AuthenticateFacts(again=again))
