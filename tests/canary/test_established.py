"""Clients that stay: what is established can fail where all that is new works, and that is a state of its own."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaError

from brokerproof.canary.established import (
    ESTABLISHED,
    NOTHING_YET,
    Noticed,
    Staying,
    established_found,
    established_of,
    established_readings,
)
from brokerproof.canary.events import StateChanged
from brokerproof.canary.page import lines_of
from brokerproof.canary.state import Reading, State
from brokerproof.canary.store import HOUR_S, Store
from brokerproof.canary.watch import Watch
from brokerproof.canary.watched import Watched
from brokerproof.probes.outcome import Reason
from brokerproof.probes.plan import Endpoint
from brokerproof.probes.survival.established import FlowSeen, Refusals, Statistics
from brokerproof.probes.survival.values import Flow, Lived, LoginRefused, SurvivalPlan, encode
from tests.canary.made import BEGAN, CLIENT, EVERY_S, VIEW, dead_broker, done, run_of, well
from tests.examples import ALL

THINGS = established_of(VIEW)
WELL = run_of(well())
PLAN = SurvivalPlan(client=CLIENT, brokers=(Endpoint(name="b-1", port=9094, broker_id=1),), topic="t")


def thing(broker_id: int) -> Watched:
    return Watched(client=CLIENT, broker=f"broker-{broker_id}", address=ESTABLISHED)


def noticed(silent_ms: float = 900.0, *, broker_id: int = 2, host_late_ms: float = 0.0, failed: int = 0) -> Noticed:
    """All is well but for one broker."""
    flows = tuple(
        Flow(
            broker_id=broker.broker_id,
            acknowledged=60,
            received=60,
            unacknowledged_ms=silent_ms if broker.broker_id == broker_id else 900.0,
            unread_ms=900.0,
            failed=failed if broker.broker_id == broker_id else 0,
        )
        for broker in VIEW.brokers
    )
    return Noticed(lived=Lived(since=BEGAN, at=BEGAN + EVERY_S, flows=flows, host_late_ms=host_late_ms))


@pytest.mark.parametrize(
    ("seen", "read"),
    [
        (noticed(), Reading.OK),
        (noticed(4_900), Reading.OK),  # an election of a leader
        (noticed(5_100), Reading.FAILED),
        (noticed(failed=1), Reading.FAILED),
        (noticed(60_000, host_late_ms=30_000), Reading.DID_NOT_RUN),
        (Noticed(trouble="the topic is gone"), Reading.BROKEN),
        (NOTHING_YET, None),
    ],
)
def test_silence_is_read_as_what_it_is(seen: Noticed, read: Reading | None) -> None:
    assert established_readings(THINGS, seen, red=False).get(thing(2)) == read


def test_clients_that_could_not_begin_amid_failures_say_nothing_new() -> None:
    said = established_readings(THINGS, Noticed(trouble="no broker answers"), red=True)
    assert set(said.values()) == {Reading.NOT_SEEN}


def test_a_broker_that_leads_nothing_is_left_out_and_too_short_a_time_says_nothing() -> None:
    whole = noticed().lived
    assert whole is not None
    without = msgspec.structs.replace(whole, flows=whole.flows[1:])
    assert thing(VIEW.brokers[0].broker_id) not in established_readings(THINGS, Noticed(lived=without), red=False)
    short = msgspec.structs.replace(whole, at=whole.since + 1)
    assert established_readings(THINGS, Noticed(lived=short), red=False) == {}


def watch_in(folder: Path) -> Watch:
    return Watch((VIEW,), Store(folder, watch=True), every_s=EVERY_S, now=BEGAN, established=(CLIENT,))


def rounds(watch: Watch, *each: Noticed) -> list[tuple[str, State, str]]:
    changes = [
        change
        for number, seen in enumerate(each)
        for change in watch.took(msgspec.structs.replace(done(WELL, BEGAN + number * EVERY_S), noticed=seen))[1]
    ]
    return [
        (str(change.watched), change.after, change.found.wrong if change.found else "")
        for change in changes
        if change.after.alerts
    ]


def test_what_is_established_alone_fails_and_the_alert_says_so(tmp_path: Path) -> None:
    bad = noticed(30_000)
    [(where, state, wrong)] = rounds(watch_in(tmp_path), noticed(), noticed(), bad, bad)
    assert (where, state) == (f"{CLIENT}/broker-2/established", State.FAILED)
    assert wrong == "connections that were established passed nothing for a time, while new ones work"


def test_that_new_connections_work_is_said_only_where_they_were_seen_to() -> None:
    said = {thing(2): Reading.FAILED, msgspec.structs.replace(thing(2), address=""): Reading.NOT_SEEN}
    assert "new ones work" not in established_found(said, noticed(30_000), {})[thing(2)].wrong


def test_where_the_broker_fails_as_well_its_cause_is_named_for_both(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    dead = run_of(dead_broker(2)(well()))
    changes: list[StateChanged] = []
    for number in range(3):
        bad = msgspec.structs.replace(done(dead, BEGAN + number * EVERY_S), noticed=noticed(30_000))
        changes += watch.took(bad)[1]
    named = {change.watched.address: change.found for change in changes if change.after is State.FAILED}
    assert named[ESTABLISHED] is not None
    assert named[ESTABLISHED] in [found for address, found in named.items() if address != ESTABLISHED]


def test_a_hold_of_the_broker_holds_them_too_and_the_page_has_a_line_for_them(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    assert rounds(watch, noticed(), noticed()) == []
    store = watch._store
    lines = {line.broker for line in lines_of(store.hours(BEGAN - HOUR_S), int(BEGAN // HOUR_S), int(BEGAN // HOUR_S))}
    assert {"broker-2", "broker-2, established"} <= lines


def test_a_client_without_them_has_no_such_state(tmp_path: Path) -> None:
    watch = Watch((VIEW,), Store(tmp_path, watch=True), every_s=EVERY_S, now=BEGAN)
    assert not any(each.address == ESTABLISHED for each in watch.snapshot(BEGAN).states)


# Logins that are refused once a session, and connections that are made anew at once

SAID = "Cannot change principals during re-authentication from A to B"
CHANGED = LoginRefused(broker_id=2, reason=Reason.PRINCIPAL_CHANGED, said=SAID)
TOKENLESS = LoginRefused(broker_id=None, reason=Reason.NO_CREDENTIALS, said="no token")
DENIED = LoginRefused(broker_id=2, reason=Reason.CREDENTIALS_REFUSED, said="Access denied")


class Alive:
    """Survivors on a simulated clock: all flows, and a refusal in the round in which a session ends."""

    def __init__(self, session_s: float, refused: LoginRefused) -> None:
        self._session_s = session_s
        self._refused = refused
        self.number = 0

    def has_begun(self) -> bool:
        return True

    def look(self) -> Lived:
        self.number += 1
        since, at = (BEGAN + (self.number - before) * EVERY_S for before in (1, 0))
        ended = (at - BEGAN) // self._session_s > (since - BEGAN) // self._session_s
        whole = noticed().lived
        assert whole is not None
        return msgspec.structs.replace(whole, since=since, at=at, refused=(self._refused,) if ended else ())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("session_s", "refused", "code", "things"),
    [
        (3600.0, CHANGED, "auth.reauthentication", 1),
        (21600.0, CHANGED, "auth.reauthentication", 1),
        (21600.0, TOKENLESS, "auth.no_credentials", 3),
        (3600.0, DENIED, "unknown", 1),
    ],
    ids=["principal changed", "principal changed after six hours", "no token", "denied"],
)
def test_each_refusal_at_the_end_of_a_session_is_an_alert_that_names_it(
    tmp_path: Path, session_s: float, refused: LoginRefused, code: str, things: int
) -> None:
    """A day, in which every new connection works, and no record is late."""
    sessions = int(24 * 3600 / session_s) if ALL else 1
    staying = Staying("app", (), PLAN)
    staying._alive = Alive(session_s, refused)  # type: ignore[assignment]
    watch = watch_in(tmp_path)
    told: list[tuple[float, StateChanged]] = []
    for number in range(int(sessions * session_s / EVERY_S) + 6):
        at = BEGAN + number * EVERY_S
        _, changes = watch.took(msgspec.structs.replace(done(WELL, at), noticed=staying.look()))
        told += [(at, change) for change in changes if change.after.alerts]
    assert len(told) == sessions * things
    for place, (at, change) in enumerate(told):
        assert change.after is State.FAILED
        assert change.watched.address == ESTABLISHED
        assert 0 <= at - (BEGAN + (place // things + 1) * session_s) <= 2 * EVERY_S
        assert change.found is not None
        assert change.found.codes == (code,)
        assert refused.said in change.found.observed
    assert {state for thing, state in watch.snapshot(at).states.items() if thing.address == ESTABLISHED} == {State.OK}


def test_words_of_a_client_library_are_a_reason_and_a_broker() -> None:
    """As librdkafka 2.16 said them in a lab whose sessions end after 8 s; a token that is not there, by its source."""
    refusals = Refusals(tuple(Endpoint(name=f"b-{n}.demo", port=9098, broker_id=n) for n in (1, 2, 3)))
    code = KafkaError._AUTHENTICATION
    for session in ("A: B", "B: C"):
        said = f"SASL authentication error: Cannot change principals during re-authentication from {session}"
        refusals.error(KafkaError(code, f"sasl_ssl://b-2.demo:9098/2: {said} (after 7ms in state AUTH_REQ)"))
    refusals.error(KafkaError(code, f"GroupCoordinator: b-3.demo:9098: SASL authentication error: {SAID}"))
    refusals.error(KafkaError(code, "sasl_ssl://b-1.demo:9098/bootstrap: SASL authentication error: Access denied"))
    refusals.error(KafkaError(code, "Failed to acquire SASL OAUTHBEARER token: no credentials"))
    refusals.error(KafkaError(KafkaError._TRANSPORT, "sasl_ssl://b-2.demo:9098/2: Disconnected"))
    found = refusals.look()
    assert [(each.broker_id, each.reason, each.count) for each in found] == [
        (2, Reason.PRINCIPAL_CHANGED, 2),
        (3, Reason.PRINCIPAL_CHANGED, 1),
        (1, Reason.CREDENTIALS_REFUSED, 1),
        (None, Reason.NO_CREDENTIALS, 1),
    ]
    assert found[1].said == f"SASL authentication error: {SAID}"
    assert refusals.look() == ()


# What the far side counts


def test_the_longest_silence_counts_also_while_it_lasts() -> None:
    flow = FlowSeen(1, now=0.0)
    for second in (1, 2, 7, 8):
        flow.acknowledged(second)
    flow.received(1)
    flow.failed("_MSG_TIMED_OUT")
    first = flow.look(9.0, connects=0)
    assert (first.acknowledged, first.unacknowledged_ms, first.unread_ms) == (4, 5000.0, 8000.0)
    assert first.errors == {"_MSG_TIMED_OUT": 1}
    after = flow.look(10.0, connects=2)
    assert (after.acknowledged, after.unacknowledged_ms, after.failed, after.connects) == (0, 2000.0, 0, 2)


def test_connections_made_anew_are_counted_from_the_first_look_on() -> None:
    seen = Statistics("t")

    def told(connects: int, leader: int) -> None:
        brokers = {"b": {"nodeid": 1, "connects": connects}, "seed": {"nodeid": -1, "connects": 9}}
        topics = {"t": {"partitions": {"0": {"leader": leader}, "-1": {"leader": -1}}}}
        seen.take(json.dumps({"brokers": brokers, "topics": topics}))

    told(3, leader=1)
    assert seen.new_connects(1) == 0
    told(5, leader=2)
    assert (seen.new_connects(1), seen.new_connects(1)) == (2, 0)
    told(4, leader=2)
    assert seen.new_connects(1) == 0
    assert seen.leaders == {0: 2}


# How they are talked to


def far_side(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys\nsys.stdin.readline()\n{script}")


STEADY = 'print(\'{"type":"steady","at":1.0}\', flush=True)\n'


def looked(staying: Staying) -> Noticed:
    """The first look that says something."""
    until = time.monotonic() + 20
    while (seen := staying.look()) == NOTHING_YET:
        assert time.monotonic() < until
        time.sleep(0.02)
    return seen


def test_they_begin_at_the_first_look_and_say_at_each_other_what_is_new() -> None:
    said = encode(Lived(since=1.0, at=2.0, flows=())).decode().strip()
    staying = Staying("app", far_side(f"{STEADY}for line in sys.stdin:\n  print({said!r}, flush=True)"), PLAN)
    try:
        assert staying.look() == NOTHING_YET
        assert looked(staying).lived == Lived(since=1.0, at=2.0, flows=())
        assert looked(staying).lived is not None
    finally:
        staying.close()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('print(\'{"type":"refused","why":"no topic t"}\', flush=True)', "no topic t"),
        ("print('Traceback', file=sys.stderr); sys.exit(3)", "ended without a word: Traceback"),
    ],
)
def test_those_that_do_not_live_are_one_sentence_and_begun_anew(script: str, words: str) -> None:
    staying = Staying("app", far_side(script), PLAN)
    try:
        assert words in looked(staying).trouble
        assert staying.look() == NOTHING_YET
        assert words in looked(staying).trouble
    finally:
        staying.close()


def test_clients_that_have_only_begun_are_not_told_as_clients_that_nobody_runs(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    for number in range(5):
        seen = NOTHING_YET if number < 4 else noticed()
        watch.took(msgspec.structs.replace(done(WELL, BEGAN + number * EVERY_S), noticed=seen))
        assert not [each.after for each in watch.quiet(BEGAN + number * EVERY_S + 3) if each.after.alerts]


def test_a_broker_that_leads_nothing_any_more_is_watched_anew_and_looked_at_no_oftener(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    whole = noticed().lived
    assert whole is not None
    moved = Noticed(lived=msgspec.structs.replace(whole, flows=tuple(f for f in whole.flows if f.broker_id != 2)))
    for number, seen in enumerate((noticed(30_000), noticed(30_000), *[moved] * 4)):
        watch.took(msgspec.structs.replace(done(WELL, BEGAN + number * EVERY_S), noticed=seen))
        watch.quiet(BEGAN + number * EVERY_S + 3)
    snapshot = watch.snapshot(BEGAN + 5 * EVERY_S + 3)
    assert snapshot.states[thing(2)] is State.NOT_YET
    assert not watch.is_red(CLIENT)


def test_the_plan_is_on_its_way_at_once() -> None:
    """Whoever looks next may do so a minute later."""
    staying = Staying("app", far_side(STEADY + "sys.stdin.read()"), PLAN)
    try:
        assert staying.look() == NOTHING_YET
        alive = staying._alive
        assert alive is not None
        assert not alive._process._outbox
    finally:
        staying.close()
