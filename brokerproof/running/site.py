"""Where scenarios run: a pattern in the lab, or the clients of a file; each client's plan runs once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from brokerproof.errors import WrongUseError
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Limits, Plan, ThroughputPlan
from brokerproof.reports.document import Drawing
from brokerproof.reports.journal import ClientJournal, Journal
from brokerproof.running.load_option import DEFAULT
from brokerproof.running.planning import LIMITS, ClientRun, conclude, make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import digest, load
from brokerproof.topology.models import Client, Topology, VantageKind
from brokerproof.topology.picture import picture
from brokerproof.vantages.exec import ExecVantage
from brokerproof.vantages.local import LocalVantage, this_probe
from brokerproof.vantages.protocol import Vantage, VantageRun

LAB = "lab"


class TargetError(WrongUseError):
    """The target cannot be probed; one sentence that says why and what to do."""


def load_target(path: Path) -> Topology:
    """The topology of a target file, whose clients must say where they are.

    Raises:
        TopologyError: the file is wrong.
        TargetError: a client has no vantage outside the lab.
    """
    topology = load(path)
    for client in topology.clients:
        if client.vantage.kind is VantageKind.LAB:
            raise TargetError(
                f"{path}: client {client.name} has no vantage; say how to run a command on its host, e.g. "
                'vantage: {kind: exec, command: ["ssh", "host", "--"]}'
            )
    return topology


class Site:
    """One topology with its clients reachable. Ends its vantages, not the lab it was given."""

    def __init__(
        self,
        topology: Topology,
        *,
        lab: Lab | None,
        journal: Journal | None,
        label: Callable[[Client], str],
        limits: Limits = LIMITS,
        idle_hold_ms: int = 0,
        load: ThroughputPlan = DEFAULT,
    ) -> None:
        self.topology = topology
        self._lab = lab
        self._journal = journal
        self._label = label
        self._limits = limits
        self._idle_hold_ms = idle_hold_ms
        self._load = load
        self._stack = ExitStack()
        self._vantages: dict[str, Vantage] = {}
        self._runs: dict[str, ClientRun] = {}
        self._written: dict[str, ClientJournal] = {}

    def run(self, name: str, *, measure: bool) -> ClientRun:
        """The client's run: made the first time, the same value afterwards."""
        if name not in self._runs:
            client = self.topology.client(name)
            view = expect(self.topology, name)
            held = self._idle_hold_ms
            plan = make_plan(view, client, measure=measure, limits=self._limits, idle_hold_ms=held, load=self._load)
            written = None
            if self._journal is not None:
                known_as = digest(self.topology)
                self._draw(self._journal, known_as)
                written = self._journal.client(view, label=self._label(client), topology_digest=known_as)
                self._written[name] = written
            run = self._vantage(client).run(plan, None if written is None else written.line)
            concluded = conclude(view, plan, run)
            if written is not None:
                for line in (run.started, *run.samples, run.closing):
                    if line is not None:
                        written.line(line)
                if run.error:
                    written.vantage_failed(run.error)
                written.checks(concluded.checks)
            self._runs[name] = concluded
        return self._runs[name]

    def turn(self, name: str, number: int, plan: Plan) -> VantageRun:
        """Another plan of a client that was run, in round ``number`` of a comparison; its samples are written down."""
        run = self._vantage(self.topology.client(name)).run(plan)
        written = self._written.get(name)
        if written is not None and run.started is not None:
            written.sampled(number, run.started, run.samples)
        return run

    def _draw(self, journal: Journal, known_as: str) -> None:
        """The topology's picture into the journal, once."""
        if not journal.drawn(known_as):
            made = picture(self.topology)
            journal.drawing(
                Drawing(topology_digest=known_as, title=made.title, description=made.description, dot=made.dot)
            )

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


def open_client(client: Client, lab: Lab | None) -> Vantage:
    """The vantage a client's entry names; in the lab, its namespace.

    Raises:
        TargetError: the client is in a lab, but there is none.
    """
    match client.vantage.kind:
        case VantageKind.LOCAL:
            return LocalVantage(client.name)
        case VantageKind.EXEC:
            return ExecVantage(
                client.name,
                client.vantage.command,
                python=client.vantage.python,
                environment=client.vantage.environment,
            )
        case VantageKind.LAB:
            if lab is None:
                raise TargetError(f"client {client.name} is a lab client, but no lab runs")
            return lab_vantage(lab, client.name)


def lab_vantage(lab: Lab, client: str) -> Vantage:
    """A client of a running lab, with this interpreter and these probes."""
    return ExecVantage(client, lab.command_prefix(client), python=sys.executable, environment=this_probe())
