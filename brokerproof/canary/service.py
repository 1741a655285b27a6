"""The canary at work: rounds of all clients by their schedules, in threads; results by one thread, in order.

Vantages are kept open between rounds. A round of a client never begins while another of the same client runs.
"""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Final, Protocol

from brokerproof.canary.established import NOTHING_YET, Staying
from brokerproof.canary.events import Event
from brokerproof.canary.rounds import Depth, RoundPlan, busy_share, round_plan
from brokerproof.canary.schedule import Budget, Schedule, shares
from brokerproof.canary.totals import Totals
from brokerproof.canary.watch import RoundDone, Watch
from brokerproof.errors import WrongUseError
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.plan import Limits
from brokerproof.running.planning import LIMITS, conclude
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Client, Topology
from brokerproof.vantages.protocol import Vantage

QUIET_S: Final = 1.0
"""How often is looked whether silence has become a state."""
ENDING_S: Final = 20.0
"""How long rounds that run may take to end once the canary is told to."""
KILLED_S: Final = 5.0
"""And once they are killed."""
SOON: Final = 0.25
"""Of an interval: how long after a round that saw something the next one looks whether that lasts."""
STEP_BACK_S: Final = 1.0


class Sink(Protocol):
    """Takes what there is to say; called from one thread alone."""

    def told(self, events: Sequence[Event], done: RoundDone | None = None) -> None:
        """Events, and the round that they are of; without one, of silence."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class Settings(Value, frozen=True, kw_only=True):
    """How often, how deep, how much at once."""

    every_s: float
    deep_every_s: float
    at_once: int = 8
    budget: Budget = Budget()
    limits: Limits = LIMITS


class Watcher:
    """One client that is watched: its plans, its vantage, its schedule."""

    def __init__(self, topology: Topology, client: Client, schedule: Schedule, settings: Settings) -> None:
        self.client = client
        self.schedule = schedule
        self.view = expect(topology, client.name)
        self.plans = {depth: round_plan(self.view, client, depth, limits=settings.limits) for depth in Depth}
        self.due = 0.0
        self.runs = False
        self.vantage: Vantage | None = None
        self.staying: Staying | None = None

    def plan(self, watch: Watch, now: float) -> RoundPlan:
        """The plan of the round that begins now."""
        deep = self.schedule.is_deep(watch.times(self.client.name).deep, now) or watch.is_red(self.client.name)
        return self.plans[Depth.DEEP if deep else Depth.LIGHT]

    def wait_for_slot(self, now: float) -> None:
        """Wait for the next slot."""
        self.due = self.schedule.due(self.schedule.next_slot(now))


def watchers_of(topology: Topology, names: Sequence[str], settings: Settings) -> tuple[Watcher, ...]:
    """The clients that are watched, each with its share of the interval.

    Raises:
        WrongUseError: no client is meant to reach a broker, or the budget does not allow so many so often.
    """
    clients = [client for client in topology.clients if not names or client.name in names]
    clients = [client for client in clients if client.pattern is not None]
    if not clients:
        raise WrongUseError(f"nothing to watch: no client of {topology.name} is meant to reach a broker")
    schedules = (
        Schedule(
            every_s=settings.every_s,
            share=share,
            seed=f"{topology.name} {client.name}",
            deep_every_s=settings.deep_every_s,
        )
        for client, share in zip(clients, shares(len(clients)), strict=True)
    )
    made = tuple(
        Watcher(topology, client, schedule, settings) for client, schedule in zip(clients, schedules, strict=True)
    )
    for cluster in {client.cluster_name for client in clients}:
        plans = tuple(each.plans[Depth.LIGHT] for each in made if each.client.cluster_name == cluster)
        share = busy_share(plans, settings.budget, settings.every_s)
        if share > 1:
            raise WrongUseError(
                f"{len(plans)} clients of cluster {cluster} every {settings.every_s:g} s need {share:.1f} times the "
                f"budget of {settings.budget.connections_per_s:g} connections and "
                f"{settings.budget.authentications_per_s:g} authentications a second and broker: watch them every "
                f"{settings.every_s * share:.0f} s, or give a larger --budget"
            )
    return made


class Canary:
    """Runs rounds until it is told to stop. ``open_client`` opens the vantage of a client."""

    def __init__(
        self,
        watchers: Sequence[Watcher],
        watch: Watch,
        totals: Totals,
        sinks: Sequence[Sink],
        *,
        open_client: Callable[[Client], Vantage],
        settings: Settings,
    ) -> None:
        self._watchers = {each.client.name: each for each in watchers}
        self._watch = watch
        self._totals = totals
        self._sinks = sinks
        self._open = open_client
        self._settings = settings
        self._free: dict[str, float] = {}
        self._over: queue.SimpleQueue[RoundDone | BaseException | None] = queue.SimpleQueue()
        self._stop = False

    def stop(self) -> None:
        """Begin no more rounds; may be called from a signal handler."""
        self._stop = True
        self._over.put(None)

    def run(self, *, rounds: int | None = None) -> bool:
        """Watch until told to stop, or until so many rounds of each client are over.

        Returns:
            Whether all these rounds were taken.
        """
        left = dict.fromkeys(self._watchers, rounds) if rounds is not None else None
        now = time.time()
        for each in self._watchers.values():
            if left is None:
                each.wait_for_slot(now)
            else:
                each.due = now
        with ThreadPoolExecutor(max_workers=self._settings.at_once) as threads, ExitStack() as stack:
            try:
                self._watch_on(threads, stack, left)
            finally:
                self._end_rounds()
        return left is not None and not any(left.values())

    def _watch_on(self, threads: ThreadPoolExecutor, stack: ExitStack, left: dict[str, int] | None) -> None:
        last = time.time()
        while not self._stop and (left is None or any(left.values())):
            now = time.time()
            if now < last - STEP_BACK_S and left is None:
                # The clock was set back: slots of its old time would be waited for.
                self._free.clear()
                for each in self._watchers.values():
                    each.wait_for_slot(now)
            last = now
            wait_s = self._begin_due(threads, stack, now, left)
            for done in self._ended(wait_s):
                self._take(done, left)
            self._tell(self._watch.quiet(time.time()))

    def _begin_due(
        self, threads: ThreadPoolExecutor, stack: ExitStack, now: float, left: dict[str, int] | None
    ) -> float:
        """Begin what is due and within the budget; how long to wait for the next."""
        wait_s = QUIET_S
        running = sum(each.runs for each in self._watchers.values())
        for each in sorted(self._watchers.values(), key=lambda one: one.due):
            if each.runs or (left is not None and not left[each.client.name]):
                continue
            cluster = each.client.cluster_name
            may_begin = max(each.due, self._free.get(cluster, 0.0))
            if may_begin > now:
                wait_s = min(wait_s, may_begin - now)
                continue
            if running >= self._settings.at_once:
                break
            plan = each.plan(self._watch, now)
            self._free[cluster] = now + self._settings.budget.takes_s(plan.connections, plan.authentications)
            if each.vantage is None:
                each.vantage = stack.enter_context(self._open(each.client))
                if each.staying is not None:
                    stack.callback(each.staying.close)
            each.runs = True
            running += 1
            threads.submit(self._round, each, plan)
        return wait_s

    def _round(self, each: Watcher, plan: RoundPlan) -> None:
        """One round, in a thread of its own; whatever happens there is handed over."""
        began = time.time()
        try:
            if each.vantage is None:
                raise RuntimeError(f"the vantage of {each.client.name} is not open")  # noqa: TRY301  handed over below
            run = conclude(plan.view, plan.plan, each.vantage.run(plan.plan))
            noticed = each.staying.look() if each.staying is not None else NOTHING_YET
            self._over.put(RoundDone(run=run, depth=plan.depth, began=began, ended=time.time(), noticed=noticed))
        except BaseException as defect:  # noqa: BLE001  it is raised in the thread that waits for rounds
            self._over.put(defect)

    def _ended(self, wait_s: float) -> list[RoundDone]:
        """The rounds that ended within a time; none of them once told to stop, when they were cut short."""
        ended: list[RoundDone] = []
        with suppress(queue.Empty):
            first = self._over.get(timeout=max(0.0, wait_s))
            while first is not None:
                if isinstance(first, BaseException):
                    raise first
                ended.append(first)
                self._watchers[first.run.view.client].runs = False
                first = self._over.get_nowait()
        return [] if self._stop else ended

    def _take(self, done: RoundDone, left: dict[str, int] | None) -> None:
        each = self._watchers[done.run.view.client]
        ended, changes = self._watch.took(done)
        self._totals.add(done, ended.readings)
        self._tell((ended, *changes), done)
        if left is not None:
            left[each.client.name] -= 1
        else:
            now = time.time()
            each.wait_for_slot(now)
            if self._watch.is_pending(each.client.name):
                # An alert takes several rounds that agree; the next one does not wait for its slot.
                each.due = min(each.due, now + self._settings.every_s * SOON)

    def _tell(self, events: Sequence[Event], done: RoundDone | None = None) -> None:
        if events:
            for sink in self._sinks:
                sink.told(events, done)

    def _end_rounds(self) -> None:
        """Have probes that still run end as by their plan's deadline: what they made is removed. Then harder.

        A round that waited for a login begins when another ends, so each probe is told when it is there.
        """
        for number, most_s in ((signal.SIGTERM, ENDING_S), (signal.SIGKILL, KILLED_S)):
            told: set[int] = set()
            until = time.monotonic() + most_s
            while self._running() and time.monotonic() < until:
                self._kill(number, told)
                with suppress(queue.Empty):
                    over = self._over.get(timeout=0.1)
                    if isinstance(over, RoundDone):
                        self._watchers[over.run.view.client].runs = False

    def _running(self) -> list[Watcher]:
        return [each for each in self._watchers.values() if each.runs]

    def _kill(self, number: signal.Signals, told: set[int]) -> None:
        for each in self._running():
            pid = getattr(each.vantage, "pid", None)
            if pid is not None and pid not in told:
                told.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, number)


def ends_on_signals(canary: Canary) -> Callable[[], None]:
    """Let SIGTERM and SIGINT stop it; returns what takes that back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def on_signal(_number: int, _frame: object) -> None:
        canary.stop()

    for number in before:
        signal.signal(number, on_signal)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore
