"""Rounds as they are run: never two of one client at once, the rest goes on, it ends when told to."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import msgspec
import pytest
from click.testing import CliRunner

from brokerproof.canary.events import Event, RoundEnded, StateChanged
from brokerproof.canary.rounds import PATH, RECORDS
from brokerproof.canary.schedule import Budget
from brokerproof.canary.service import ENDING_S, Canary, Settings, watchers_of
from brokerproof.canary.state import State
from brokerproof.canary.store import Store
from brokerproof.canary.totals import Totals
from brokerproof.canary.watch import RoundDone, Watch
from brokerproof.cli.canary import canary
from brokerproof.errors import WrongUseError
from brokerproof.probes.outcome import Closing, Started
from brokerproof.probes.plan import Plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Client
from brokerproof.vantages.protocol import OnOutcome, VantageRun
from tests.canary.made import TOPOLOGY, dead_broker
from tests.diagnosis.perfect import perfect

NAMES = ("account_b", "overlapping")
FAST = Settings(every_s=0.5, deep_every_s=3600, budget=Budget(connections_per_s=1000))


class Quick:
    """A vantage that answers at once, or after a while, and knows how many run at the same time."""

    def __init__(self, client: Client, *, takes_s: float = 0.01, broken: threading.Event | None = None) -> None:
        self.name = client.name
        self.began: list[float] = []
        self.at_once = self.most = 0
        self._takes_s = takes_s
        self._broken = broken or threading.Event()
        self._stop = threading.Event()

    def run(self, plan: Plan, on_outcome: OnOutcome | None = None) -> VantageRun:
        self.began.append(time.time())
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self._stop.wait(self._takes_s)
        self.at_once -= 1
        view = expect(TOPOLOGY, self.name)
        outcomes = tuple(each for each in perfect(view) if each.stage in plan.stages)
        outcomes = dead_broker(2)(outcomes) if self._broken.is_set() else outcomes
        return VantageRun(
            started=Started(plan_id=plan.plan_id, client=self.name, probe_version="1", host="h", python="3"),
            outcomes=outcomes,
            closing=Closing(plan_id=plan.plan_id, outcomes=len(outcomes), complete=True, duration_ns=10**7),
        )

    def close(self) -> None:
        self._stop.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Heard:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False

    def told(self, events: Sequence[Event], done: RoundDone | None = None) -> None:
        self.events += events

    def close(self) -> None:
        self.closed = True

    def rounds(self, client: str) -> list[RoundEnded]:
        return [each for each in self.events if isinstance(each, RoundEnded) and each.client == client]

    def states(self, state: State) -> list[StateChanged]:
        return [each for each in self.events if isinstance(each, StateChanged) and each.after is state]


class Watching:
    """A canary over quick vantages, in a thread."""

    def __init__(self, folder: Path, open_client: Callable[[Client], Quick], settings: Settings = FAST) -> None:
        watchers = watchers_of(TOPOLOGY, NAMES, settings)
        views = tuple(each.view for each in watchers)
        self.heard = Heard()
        self.store = Store(folder, watch=True)
        self.watch = Watch(views, self.store, every_s=settings.every_s, now=time.time(), deep_every_s=3600)
        self.canary = Canary(
            watchers,
            self.watch,
            Totals(views, (*PATH, *RECORDS)),
            [self.heard],
            open_client=open_client,
            settings=settings,
        )
        self.thread = threading.Thread(target=self.canary.run)

    def until(self, what: Callable[[], object], limit_s: float = 30.0) -> None:
        until = time.monotonic() + limit_s
        while not what():
            assert time.monotonic() < until, "it did not come"
            assert self.thread.is_alive()
            time.sleep(0.02)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.canary.stop()
        self.thread.join(30)
        self.store.close()
        assert not self.thread.is_alive(), "it ends when it is told to"


@pytest.fixture
def vantages() -> dict[str, Quick]:
    return {}


def test_rounds_of_a_client_never_overlap_and_a_slow_one_costs_its_own_slots(
    tmp_path: Path, vantages: dict[str, Quick]
) -> None:
    def open_client(client: Client) -> Quick:
        slow = client.name == "overlapping"
        vantages[client.name] = Quick(client, takes_s=1.5 if slow else 0.01)
        return vantages[client.name]

    with Watching(tmp_path, open_client) as watching:
        watching.until(lambda: len(watching.heard.rounds("overlapping")) >= 2)
        quick, slow = (len(watching.heard.rounds(name)) for name in NAMES)
    assert quick > slow
    assert vantages["overlapping"].most == 1
    late = watching.heard.states(State.DID_NOT_RUN)
    assert {each.watched.client for each in late} <= {"overlapping"}, "slots that it missed are told of it alone"


def test_a_failure_is_looked_at_again_before_its_next_slot(tmp_path: Path, vantages: dict[str, Quick]) -> None:
    broken = threading.Event()
    settings = msgspec.structs.replace(FAST, every_s=4.0)

    def open_client(client: Client) -> Quick:
        vantages[client.name] = Quick(client, broken=broken)
        return vantages[client.name]

    with Watching(tmp_path, open_client, settings) as watching:
        watching.until(lambda: all(watching.heard.rounds(name) for name in NAMES))
        before = len(vantages["account_b"].began)
        broken.set()
        watching.until(lambda: watching.heard.states(State.FAILED))
        watching.until(lambda: len(vantages["account_b"].began) >= before + 2)
        began = vantages["account_b"].began[before : before + 2]
    assert began[1] - began[0] < 3.0, "less than a slot"
    assert all(each.found is not None for each in watching.heard.states(State.FAILED))


def test_so_many_rounds_and_it_ends_by_itself(tmp_path: Path) -> None:
    watching = Watching(tmp_path, Quick)
    watching.canary.run(rounds=2)
    assert [len(watching.heard.rounds(name)) for name in NAMES] == [2, 2]
    assert not [each for each in watching.heard.events if isinstance(each, StateChanged) and each.after.alerts]
    watching.store.close()


def test_a_round_that_is_under_way_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with Watching(tmp_path, lambda client: Quick(client, takes_s=600)) as watching:
        time.sleep(1.0)
        began = time.monotonic()
        for each in watching.canary._watchers.values():
            if each.vantage is not None:
                each.vantage.close()
    assert time.monotonic() - began < 25


def test_more_than_the_budget_allows_is_refused_and_says_how_often_it_may_be() -> None:
    narrow = msgspec.structs.replace(FAST, budget=Budget(connections_per_s=0.5))
    with pytest.raises(WrongUseError, match=r"times the budget .* watch them every \d+ s"):
        watchers_of(TOPOLOGY, NAMES, narrow)


def test_a_client_that_is_meant_to_reach_nothing_is_not_watched() -> None:
    with pytest.raises(WrongUseError, match="nothing to watch"):
        watchers_of(TOPOLOGY, ("nobody",), FAST)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.yaml"], "is not a file"),
        (["run", "x.yaml", "--every", "soon"], "is no time"),
        (["hold", "--for", "0s"], "is no time"),
        (["page", "--state", "nothing-there"], "no canary has kept anything"),
        (["page", "--last", "9999999d"], "is longer than ten years"),
        (["hold", "--state", "nothing-there"], "no canary has kept anything"),
    ],
)
def test_wrong_use_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(canary, words)
    assert result.exit_code == 2
    assert said in result.output


def test_a_hold_is_placed_listed_and_ended(tmp_path: Path) -> None:
    runner = CliRunner()
    state = ["--state", str(tmp_path)]
    with Watching(tmp_path, Quick) as watching:
        watching.until(lambda: watching.heard.rounds(NAMES[0]))
    placed = runner.invoke(
        canary, ["hold", *state, "--for", "2h", "--client", NAMES[0], "--why", "a restart", "--who", "me"]
    )
    assert f"{NAMES[0]} is held until" in placed.output
    assert "by me: a restart" in placed.output
    for wrong in (["--client", "nobody"], ["--broker", "broker2"]):
        refused = runner.invoke(canary, ["hold", *state, *wrong])
        assert refused.exit_code == 2
        assert f"{wrong[1]} is watched there: " in refused.output
    assert f"{NAMES[0]} is held until" in runner.invoke(canary, ["hold", *state, "--list"]).output
    assert "no longer held" in runner.invoke(canary, ["hold", *state, "--end"]).output
    assert not runner.invoke(canary, ["hold", *state, "--list"]).output


def test_a_probe_that_begins_after_the_stop_is_told_too(tmp_path: Path) -> None:
    """As one that waited for its turn to log in, which it has when another ended."""
    turn = threading.Lock()

    class Waiting(Quick):
        pid: int | None = None

        def run(self, plan: Plan, on_outcome: OnOutcome | None = None) -> VantageRun:
            with turn, subprocess.Popen(["sleep", "60"]) as process:
                self.pid = process.pid
                process.wait()
                self.pid = None
            return super().run(plan, on_outcome)

    opened: list[Waiting] = []

    def open_client(client: Client) -> Quick:
        opened.append(Waiting(client))
        return opened[-1]

    with Watching(tmp_path, open_client) as watching:
        watching.until(lambda: len(opened) == len(NAMES) and any(each.pid for each in opened))
        began = time.monotonic()
    assert time.monotonic() - began < ENDING_S


def test_a_look_that_is_ended_before_it_was_taken_says_so(tmp_path: Path) -> None:
    watchers = watchers_of(TOPOLOGY, NAMES, FAST)
    views = tuple(each.view for each in watchers)
    store = Store(tmp_path / "once", watch=True)
    watch = Watch(views, store, every_s=FAST.every_s, now=time.time(), deep_every_s=3600)
    once = Canary(watchers, watch, Totals(views, (*PATH, *RECORDS)), [], open_client=Quick, settings=FAST)
    assert once.run(rounds=1)
    cut = Canary(watchers, watch, Totals(views, (*PATH, *RECORDS)), [], open_client=Quick, settings=FAST)
    cut.stop()
    assert not cut.run(rounds=1)
    store.close()


def test_a_page_that_cannot_be_written_is_3(tmp_path: Path) -> None:
    with Watching(tmp_path, Quick) as watching:
        watching.until(lambda: watching.heard.rounds(NAMES[0]))
    result = CliRunner().invoke(canary, ["page", "--state", str(tmp_path), "-o", str(tmp_path / "none/x.html")])
    assert result.exit_code == 3
    assert "No such file or directory" in result.output


def test_rounds_go_on_where_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    back = [0.0]
    now = time.time
    monkeypatch.setattr("brokerproof.canary.service.time.time", lambda: now() - back[0])
    with Watching(tmp_path, Quick) as watching:
        watching.until(lambda: watching.heard.rounds(NAMES[0]))
        back[0] = 3600.0
        before = len(watching.heard.rounds(NAMES[0]))
        watching.until(lambda: len(watching.heard.rounds(NAMES[0])) > before + 1, 20.0)
