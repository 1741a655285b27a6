"""What rounds become: states, alerts with their cause, and a store that nothing is lost from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from brokerproof.canary.events import StateChanged, encode_event
from brokerproof.canary.hold import Hold
from brokerproof.canary.rounds import Depth
from brokerproof.canary.schedule import Budget, Schedule, shares
from brokerproof.canary.state import Reading, State
from brokerproof.canary.store import DAY_S, HOUR_S, Store, StoreError
from brokerproof.canary.watch import Watch
from brokerproof.canary.watched import ISOLATION, Watched, readings, watched_of
from brokerproof.running.planning import ClientRun
from tests.canary.made import (
    BEGAN,
    CLIENT,
    EVERY_S,
    VIEW,
    Bend,
    broken,
    dead_address,
    dead_broker,
    done,
    no_name,
    plan_of,
    run_of,
    slept,
    unreachable,
    well,
)
from tests.examples import ALL

ADDRESS = VIEW.brokers[0].addresses[0].address
WELL = run_of(well())


def watch_in(folder: Path, now: float = BEGAN) -> Watch:
    return Watch((VIEW,), Store(folder, watch=True), every_s=EVERY_S, now=now)


def after(watch: Watch, run: ClientRun, number: int, depth: Depth = Depth.LIGHT) -> tuple[StateChanged, ...]:
    at = BEGAN + number * EVERY_S
    return watch.took(done(run, at, depth))[1] + watch.quiet(at + 3)


def alerts(changes: tuple[StateChanged, ...]) -> list[tuple[str, State]]:
    return [(str(change.watched), change.after) for change in changes if change.after.alerts]


def test_what_is_watched_is_known_before_the_first_round() -> None:
    things = watched_of(VIEW)
    assert len(things) == len(set(things))
    assert Counter(thing.broker for thing in things)["broker-1"] == 1 + 3
    assert {Watched(client=CLIENT, broker="cluster"), Watched(client=CLIENT, broker=ISOLATION)} <= set(things)
    for depth in Depth:
        said = readings(run_of(well(depth), depth), things)
        assert set(said.values()) == {Reading.OK}
        looked = {thing.broker for thing in said}
        assert (ISOLATION in looked) is (depth is Depth.DEEP)


@pytest.mark.parametrize(
    ("bend", "failed", "cause"),
    [
        (dead_address(ADDRESS), {f"{CLIENT}/broker-1/{ADDRESS}"}, ""),
        (dead_broker(2), {f"{CLIENT}/broker-2/{each.address}" for each in VIEW.brokers[1].addresses}, ""),
        (no_name(3), {f"{CLIENT}/broker-3"}, "dns."),
    ],
    ids=["one of three addresses", "a broker", "a name"],
)
def test_a_hard_fault_is_an_alert_in_two_rounds_and_names_its_cause(
    tmp_path: Path, bend: Bend, failed: set[str], cause: str
) -> None:
    watch = watch_in(tmp_path)
    for number in range(3):
        assert not alerts(after(watch, WELL, number))
    deep = run_of(bend(well(Depth.DEEP)), Depth.DEEP)
    assert not alerts(after(watch, run_of(bend(well())), 3))
    assert watch.is_red(CLIENT)
    changes = after(watch, deep, 4, Depth.DEEP)
    told = {what for what, state in alerts(changes) if state is State.FAILED}
    assert told == failed
    for change in changes:
        if change.after is State.FAILED:
            assert change.found is not None
            assert change.found.change
            assert any(code.startswith(cause) for code in change.found.codes)
            assert b'"event":"state"' in encode_event(change)
    for number in range(5, 8):
        changes = after(watch, WELL, number)
    assert {str(change.watched): change.after for change in changes if str(change.watched) in failed} == dict.fromkeys(
        failed, State.OK
    )


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (unreachable(), State.DID_NOT_RUN),
        (broken(), State.PROBER_BROKEN),
        (run_of(slept(well())), State.DID_NOT_RUN),
    ],
    ids=["a host that is frozen", "a probe that crashes", "a host that slept through its connects"],
)
def test_nothing_is_said_of_the_path_where_nobody_looked(tmp_path: Path, run: ClientRun, state: State) -> None:
    watch = watch_in(tmp_path)
    after(watch, WELL, 0)
    assert not alerts(after(watch, run, 1))
    told = alerts(after(watch, run, 2))
    assert {found for _, found in told} == {state}
    assert State.FAILED not in watch.snapshot(BEGAN + 130).states.values()


def test_addresses_behind_a_name_that_is_gone_are_not_seen_and_not_failed(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    after(watch, WELL, 0)
    gone = run_of(no_name(3)(well()))
    after(watch, gone, 1)
    after(watch, gone, 2)
    states = watch.snapshot(BEGAN + 130).states
    things = {thing: now_is for thing, now_is in states.items() if thing.broker == "broker-3"}
    assert Counter(things.values()) == {State.FAILED: 1, State.NOT_SEEN: 3}


def test_a_day_of_rounds_that_are_well_is_no_alert(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    schedule = Schedule(every_s=EVERY_S, seed="a day")
    deep = run_of(well(Depth.DEEP), Depth.DEEP)
    at, slot = BEGAN, schedule.next_slot(BEGAN)
    told = rounds = 0
    hours = 24 if ALL else 6
    while at < BEGAN + hours * 3600:
        at = schedule.due(slot)
        is_deep = schedule.is_deep(watch.times(CLIENT).deep, at)
        ended, changes = watch.took(done(deep if is_deep else WELL, at, Depth.DEEP if is_deep else Depth.LIGHT))
        told += len(alerts(changes)) + len(alerts(watch.quiet(at + 30)))
        assert set(ended.readings) == {Reading.OK}
        rounds += 1
        slot += 1
    assert told == 0
    assert rounds == pytest.approx(hours * 60, abs=2)


@pytest.mark.slow
def test_rounds_take_no_more_and_more_memory(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    bad = run_of(dead_broker(2)(well()))

    def rounds(first: int, number: int) -> None:
        for place in range(first, first + number):
            after(watch, bad if place % 40 in {0, 1, 2} else WELL, place)

    rounds(0, 80)
    tracemalloc.start()
    rounds(80, 40)
    before, _ = tracemalloc.get_traced_memory()
    rounds(120, 2000 if ALL else 80)
    later, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A round that was kept would be 50 kB and more.
    assert later - before < 1_000_000


def test_a_missed_round_is_an_alert_within_two_intervals(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    after(watch, WELL, 0)
    assert not watch.quiet(BEGAN + 1.9 * EVERY_S)
    told = watch.quiet(BEGAN + 2.01 * EVERY_S)
    assert {change.after for change in told if change.watched.broker != ISOLATION} == {State.DID_NOT_RUN}
    assert not watch.quiet(BEGAN + 2.1 * EVERY_S), "it is told once"
    back = after(watch, WELL, 10)
    assert {change.after for change in back} == {State.OK}


def test_a_hold_keeps_alerts_back_and_what_was_read_meanwhile_is_not_held_against_the_path(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    after(watch, WELL, 0)
    with Store(tmp_path, watch=False) as other:
        placed = other.hold(Hold(since=BEGAN + 1, until=BEGAN + 10 * EVERY_S, who="me", broker="broker-2"))
    bad = run_of(dead_broker(2)(well()))
    for number in range(1, 6):
        assert not alerts(after(watch, bad, number))
    states = watch.snapshot(BEGAN + 5 * EVERY_S).states
    assert {states[thing] for thing in states if thing.broker == "broker-2"} == {State.HELD}
    with Store(tmp_path, watch=False) as other:
        assert [hold.number for hold in other.end_holds(BEGAN + 5.5 * EVERY_S)] == [placed.number]
    assert not alerts(after(watch, bad, 6)), "one failure after the hold"
    assert State.FAILED in dict(alerts(after(watch, bad, 7))).values()


def test_a_hold_does_not_hide_that_nobody_looks(tmp_path: Path) -> None:
    """The alert on rounds that are old reads when the last one ran; a round that did not run is none."""
    watch = watch_in(tmp_path)
    after(watch, WELL, 0)
    with Store(tmp_path, watch=False) as other:
        other.hold(Hold(since=BEGAN + 1, until=BEGAN + 10 * EVERY_S, who="me"))
    after(watch, WELL, 1)
    for number in (2, 3, 4):
        assert not alerts(after(watch, unreachable(), number))
    snapshot = watch.snapshot(BEGAN + 4 * EVERY_S)
    assert {each.last_run for each in snapshot.standings.values()} <= {0.0, BEGAN + EVERY_S}


def test_a_restart_goes_on_where_the_other_ended(tmp_path: Path) -> None:
    store = Store(tmp_path, watch=True)
    watch = Watch((VIEW,), store, every_s=EVERY_S, now=BEGAN)
    bad = run_of(dead_address(ADDRESS)(well()))
    after(watch, WELL, 0)
    after(watch, bad, 1)
    with pytest.raises(StoreError, match="another canary watches"):
        Store(tmp_path, watch=True)
    store.close()
    again = Watch((VIEW,), Store(tmp_path, watch=True), every_s=EVERY_S, now=BEGAN + 70)
    told = alerts(after(again, bad, 2))
    assert told == [(f"{CLIENT}/broker-1/{ADDRESS}", State.FAILED)]
    assert again.snapshot(BEGAN + 130).clients[CLIENT].ok == BEGAN


_VICTIM = """
import sys, time
from pathlib import Path
from tests.canary.made import *
from brokerproof.canary.store import Store
from brokerproof.canary.watch import Watch
store = Store(Path(sys.argv[1]), watch=True)
watch = Watch((VIEW,), store, every_s=EVERY_S, now=BEGAN)
number, run = int(sys.argv[2]), run_of(well())
print("ready", flush=True)
while True:
    watch.took(done(run, BEGAN + number * EVERY_S))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_no_round_that_it_told_of(tmp_path: Path) -> None:
    told = -1
    for kill in range(100 if ALL else 3):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(tmp_path), str(told + 1)], stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        time.sleep(0.01 + kill * 0.007 % 0.05)
        os.kill(victim.pid, signal.SIGKILL)
        lines = victim.stdout.read().split()
        victim.stdout.close()
        victim.wait()
        told = max([told, *(int(line) for line in lines if line.isdigit())])
        with Store(tmp_path, watch=True) as store:
            last = (store.clients()[CLIENT].began - BEGAN) / EVERY_S if told >= 0 else told
            hours = store.hours(BEGAN - 7200)
            standings = store.standings()
        assert last in {told, told + 1}, "a round that was told of is kept, at most one more is"
        if told >= 0:
            counted = sum(hour.counts[Reading.OK] for hour in hours if str(hour.watched) == f"{CLIENT}/cluster")
            assert counted == last + 1
            assert {standing.last_run for thing, standing in standings.items() if thing.broker != ISOLATION} == {
                BEGAN + last * EVERY_S
            }
        told = int(last)


class TestSchedule:
    def test_slots_have_jitter_and_keep_their_pace(self) -> None:
        schedule = Schedule(every_s=60, share=0.25, seed="x")
        due = [schedule.due(slot) for slot in range(1000, 2000)]
        gaps = [later - earlier for earlier, later in pairwise(due)]
        assert min(gaps) >= 48
        assert max(gaps) <= 72
        assert len({round(gap, 3) for gap in gaps}) > 500
        assert sum(gaps) / len(gaps) == pytest.approx(60, abs=0.05)

    def test_the_next_slot_is_after_now_and_what_is_past_is_not_made_up_for(self) -> None:
        schedule = Schedule(every_s=60, seed="x")
        slot = schedule.next_slot(BEGAN)
        assert schedule.due(slot) > BEGAN >= schedule.due(slot - 1)
        assert schedule.next_slot(schedule.due(slot)) == slot + 1
        assert schedule.next_slot(schedule.due(slot) + 600) >= slot + 10

    def test_clients_lie_apart(self) -> None:
        assert shares(4) == (0, 0.25, 0.5, 0.75)

    def test_a_budget_is_of_the_scarcer_thing(self) -> None:
        budget = Budget(connections_per_s=20, authentications_per_s=2)
        assert budget.takes_s(20, 0) == 1
        assert budget.takes_s(20, 6) == 3


def test_a_light_round_costs_less_and_makes_no_topic() -> None:
    light, deep = plan_of(Depth.LIGHT), plan_of(Depth.DEEP)
    assert light.connections < deep.connections / 2
    assert not {"produce", "group"} & {stage.value for stage in light.plan.stages}
    assert not light.plan.forbidden


def test_what_is_old_is_forgotten_while_it_watches(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    for number in range(3):
        after(watch, WELL, number)
    later = BEGAN + 40 * DAY_S
    watch.took(done(WELL, later))
    watch.quiet(later + 3)
    assert {row.hour for row in watch._store.hours(0)} == {int(later // HOUR_S)}


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    [(pages,)] = watch._store._db.execute("PRAGMA page_count").fetchall()
    watch._store._db.execute(f"PRAGMA max_page_count = {pages}")

    def until_it_is_full() -> None:
        for number in range(500):
            after(watch, WELL, number)

    with pytest.raises(StoreError, match="cannot be written: database or disk is full"):
        until_it_is_full()


def test_a_deep_round_is_due_where_the_last_one_lies_ahead() -> None:
    schedule = Schedule(every_s=60.0, deep_every_s=900.0)
    assert schedule.is_deep(BEGAN + 3600, BEGAN)
    assert not schedule.is_deep(BEGAN - 60, BEGAN)
