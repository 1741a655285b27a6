"""Where scenarios run: a pattern in the lab, or the clients of a file; each client's plan runs once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from brokerproof.aws.audit.values import Audit
from brokerproof.errors import WrongUseError
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Outcome, Stage
from brokerproof.probes.plan import VERIFY_STAGES, Limits, Plan, ThroughputPlan
from brokerproof.reports.document import Drawing, TopologyAudit
from brokerproof.reports.journal import ClientJournal, Journal
from brokerproof.running.amount import Amount
from brokerproof.running.planning import LIMITS, ClientRun, conclude, make_plan, without_isolation
from brokerproof.running.screen import Onlooker, from_where
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.files import digest, load
from brokerproof.topology.models import Client, Topology, VantageKind
from brokerproof.topology.picture import picture
from brokerproof.vantages.exec import ExecVantage
from brokerproof.vantages.local import this_probe
from brokerproof.vantages.protocol import Vantage, VantageRun
from brokerproof.vantages.registry import open_vantage

LAB = "lab"
BUSY_LOAD: Final = 3.0
"""Load a core beyond which a machine is too busy for more than one client at a time: its lab answers late enough."""


class TargetError(WrongUseError):
    """The target cannot be probed; one sentence states why and what to do."""


def load_target(path: Path) -> Topology:
    """The topology of a target file, whose clients must state how they are reached.

    Raises:
        TopologyError: the file is wrong.
        TargetError: a client has no vantage outside the lab.
    """
    return reached(load(path), path)


def reached(topology: Topology, path: Path) -> Topology:
    """The topology itself, where all its clients state how they are reached.

    Raises:
        TargetError: one has no vantage outside the lab.
    """
    for client in topology.clients:
        if client.vantage.kind is VantageKind.LAB:
            raise TargetError(
                f"{path}: client {client.name} has no vantage; state how to run a command on its host, e.g. "
                'vantage: {kind: exec, command: ["ssh", "host", "--"], far_shell: true}'
            )
    return topology


@dataclass(frozen=True, slots=True)
class _PreparedRun:
    """One client's run that can begin, from any thread."""

    view: ClientView
    plan: Plan
    vantage: Vantage
    written: ClientJournal | None
    where: str
    onlooker: Onlooker

    def _heard(self, outcome: Outcome) -> None:
        if self.written is not None:
            self.written.line(outcome)
        self.onlooker.heard(self.view.client, outcome)

    def run(self) -> ClientRun:
        """Run it, write down what comes, and judge it."""
        written = self.written
        self.onlooker.begins(self.view.client, self.where)
        try:
            run = self.vantage.run(self.plan, self._heard)
        finally:
            self.onlooker.ends(self.view.client)
        concluded = conclude(self.view, self.plan, run)
        if written is not None:
            write_end(written, concluded)
        return concluded


def write_end(written: ClientJournal, concluded: ClientRun) -> None:
    """Write down of a client's run what is not an outcome: who it was, samples, the end, trouble and checks."""
    run = concluded.run
    for line in (run.started, *run.samples, run.closing):
        if line is not None:
            written.line(line)
    if run.error:
        written.vantage_failed(run.error)
    written.checks(concluded.checks)


def drawing_of(topology: Topology, known_as: str) -> Drawing:
    """The picture of a topology, as a journal takes it; ``known_as`` is its digest."""
    made = picture(topology)
    return Drawing(
        topology_digest=known_as, title=made.title, description=made.description, dot=made.dot, ways=made.drawn
    )


class Site:
    """One topology with its clients reachable. Ends its vantages, not the lab it was given."""

    def __init__(
        self,
        topology: Topology,
        *,
        lab: Lab | None,
        journal: Journal | None,
        label: Callable[[Client], str] = lambda _client: "",
        limits: Limits = LIMITS,
        idle_hold_ms: int = 0,
        amount: Amount = Amount.FULL,
        load: ThroughputPlan | None = None,
        stages: Sequence[Stage] = VERIFY_STAGES,
        opened: Mapping[str, Vantage] | None = None,
        onlooker: Onlooker | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._audit = audit
        """``opened`` are vantages that others have open already, by client, and end themselves."""
        self.topology = topology
        self._lab = lab
        self._journal = journal
        self._label = label
        self._limits = limits
        self._idle_hold_ms = idle_hold_ms
        self._amount = amount
        self._load = load
        self._stack = ExitStack()
        self._vantages: dict[str, Vantage] = dict(opened or {})
        self._stages = stages
        self._onlooker = onlooker or Onlooker()
        self._runs: dict[str, ClientRun] = {}
        self._written: dict[str, ClientJournal] = {}

    def run(self, name: str, *, measure: bool, isolation: bool = True) -> ClientRun:
        """The client's run: made the first time, the same value afterwards; ``isolation``: what must not work too."""
        if name not in self._runs:
            self._runs[name] = self._prepared(name, measure=measure, isolation=isolation).run()
        return self._runs[name]

    def verify(self, names: Sequence[str], *, apart_from_isolation: Collection[str] = ()) -> None:
        """Have these clients verified, without measurements; in the lab several at once.

        A cluster that is not the lab's is not asked by several clients at once: its quotas are not ours to use up.
        ``apart_from_isolation`` are those of which nothing is proved that must not work.
        """
        ahead = [
            self._prepared(name, measure=False, isolation=name not in apart_from_isolation)
            for name in names
            if name not in self._runs
        ]
        self._onlooker.awaits(each.view.client for each in ahead)
        with ThreadPoolExecutor(max_workers=1 if self._lab is None else _at_once()) as threads:
            try:
                runs = list(threads.map(_PreparedRun.run, ahead))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        self._runs |= {run.view.client: run for run in runs}

    def _prepared(self, name: str, *, measure: bool, isolation: bool) -> _PreparedRun:
        client = self.topology.client(name)
        view = expect(self.topology, name)
        view = view if isolation else without_isolation(view)
        plan = make_plan(
            view,
            client,
            measure=measure,
            stages=self._stages,
            limits=self._limits,
            idle_hold_ms=self._idle_hold_ms,
            amount=self._amount,
            load=self._load,
        )
        written = None
        if self._journal is not None:
            known_as = digest(self.topology)
            self._draw(self._journal, known_as)
            if self._audit is not None:
                self._journal.audited(TopologyAudit(topology_digest=known_as, audit=self._audit))
            written = self._journal.client(view, label=self._label(client), topology_digest=known_as)
            self._written[name] = written
        return _PreparedRun(view, plan, self._vantage(client), written, from_where(client.vantage), self._onlooker)

    def measure_part(self, name: str, number: int, plan: Plan) -> VantageRun:
        """Another plan of a client that was run, in round ``number`` of a comparison; its samples are written down."""
        run = self._vantage(self.topology.client(name)).run(plan)
        written = self._written.get(name)
        if written is not None and run.started is not None:
            written.sampled(number, run.started, run.samples)
        return run

    def _draw(self, journal: Journal, known_as: str) -> None:
        """The topology's picture into the journal, once."""
        if not journal.drawn(known_as):
            journal.drawing(drawing_of(self.topology, known_as))

    def _vantage(self, client: Client) -> Vantage:
        if client.name not in self._vantages:
            self._vantages[client.name] = self._stack.enter_context(open_client(client, self._lab))
        return self._vantages[client.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _at_once() -> int:
    """Clients of a lab that are verified at the same time: a probe waits more than it works, unless others work."""
    cores = len(os.sched_getaffinity(0))
    return cores if os.getloadavg()[0] <= BUSY_LOAD * cores else 1


def open_client(client: Client, lab: Lab | None) -> Vantage:
    """The vantage a client's entry names; in the lab, its namespace.

    Raises:
        TargetError: the client is in a lab, but there is none.
    """
    if client.vantage.kind is not VantageKind.LAB:
        return open_vantage(client.vantage.kind, client.name, client.vantage)
    if lab is None:
        raise TargetError(f"client {client.name} is a lab client, but no lab runs")
    return lab_vantage(lab, client.name)


def lab_vantage(lab: Lab, client: str) -> Vantage:
    """A client of a running lab, with this interpreter and these probes."""
    return ExecVantage(client, lab.command_prefix(client), python=sys.executable, environment=this_probe())
