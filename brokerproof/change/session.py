"""A change, watched: a look before, survivors while it happens, a look after. The I/O of this room."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final, Self

import msgspec

from brokerproof.change.look import Look, look_of
from brokerproof.errors import CouldNotError, WrongUseError
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Limits
from brokerproof.probes.survival.values import SurvivalReport
from brokerproof.running.planning import LIMITS
from brokerproof.running.site import Site
from brokerproof.running.survivors import lab_java, survival_plan, survivors_command
from brokerproof.topology.models import Client, Topology
from brokerproof.vantages.survivors import Survivors, SurvivorsError

SETTLE_S: Final = 10.0
Progress = Callable[[str], None]


class ChangeError(CouldNotError):
    """The change could not be watched; nothing was changed where this says so."""


def watched_clients(topology: Topology, names: Sequence[str]) -> tuple[Client, ...]:
    """The clients that live through the change: those of a pattern, or those that are named.

    Raises:
        WrongUseError: one is not there, or none is left.
    """
    known = {client.name: client for client in topology.clients}
    missing = [name for name in names if name not in known]
    if missing:
        raise WrongUseError(f"{topology.name} has no client {', '.join(missing)}; it has: {', '.join(known)}")
    chosen = tuple(known[name] for name in names) or tuple(c for c in topology.clients if c.pattern is not None)
    if not chosen:
        raise WrongUseError(f"no client of {topology.name} is meant to reach a broker: nothing could notice a change")
    return chosen


def libraries_of(report: SurvivalReport) -> tuple[SurvivalReport, ...]:
    """A report of each client library."""
    alone = msgspec.structs.replace(report, beside=None)
    return (alone,) if report.beside is None else (alone, report.beside)


def look(
    topology: Topology,
    clients: Sequence[Client],
    *,
    measure: bool,
    lab: Lab | None = None,
    limits: Limits = LIMITS,
) -> Look:
    """Verify all clients now."""
    began = time.time()
    with Site(topology, lab=lab, journal=None, limits=limits) as site:
        names = [client.name for client in clients]
        if not measure:
            site.verify(names)
        return look_of([site.run(name, measure=measure) for name in names], began)


class Watching:
    """Survivors of several clients, until they are asked how it went.

    In a lab, ``with_java`` has Kafka's own clients live beside them; elsewhere that is up to their hosts.

    Raises:
        ChangeError: those of a client do not live as they are meant to; nothing is left of any.
    """

    def __init__(
        self,
        topology: Topology,
        clients: Sequence[Client],
        *,
        lab: Lab | None,
        progress: Progress,
        with_java: bool = True,
    ) -> None:
        commands = [(client, survivors_command(client, lab)) for client in clients]
        java = lab_java(topology) if lab is not None and with_java else ()
        self._stack = ExitStack()
        self._alive: list[Survivors] = []
        try:
            for client, command in commands:
                plan = msgspec.structs.replace(survival_plan(topology, client), java=java)
                started = Survivors(client.name, command, plan)
                self._stack.callback(started.close)
                self._alive.append(started)
            progress(f"survivors of {len(self._alive)} clients are starting")
            for each in self._alive:
                each.steady()
            progress("all of them acknowledge, and records come back")
        except SurvivorsError as problem:
            self.close()
            raise ChangeError(f"survivors: {problem}. Nothing was changed.") from None
        except BaseException:
            self.close()
            raise

    def reports(self) -> tuple[tuple[SurvivalReport, ...], tuple[str, ...]]:
        """What each noticed, and which of them did not say, with why."""

        def ask(each: Survivors) -> SurvivalReport | str:
            try:
                return each.report()
            except SurvivorsError as problem:
                return str(problem)

        with ThreadPoolExecutor(max_workers=max(1, len(self._alive))) as threads:
            answers = list(threads.map(ask, self._alive))
        found = tuple(report for each in answers if isinstance(each, SurvivalReport) for report in libraries_of(each))
        return found, tuple(each for each in answers if isinstance(each, str))

    def close(self) -> None:
        """End them."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _interrupts_are_the_commands() -> Iterator[None]:
    """While a command of the user's runs, Ctrl-C is for it: what was changed is looked at all the same."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def carry_out(command: Sequence[str]) -> str:
    """Run the command of a change; why it failed, or nothing.

    Raises:
        ChangeError: it cannot be started.
    """
    try:
        with _interrupts_are_the_commands():
            code = subprocess.run(command, check=False).returncode
    except OSError as problem:
        raise ChangeError(f"cannot run {command[0]!r}: {problem.strerror or problem}. Nothing was changed.") from None
    if code == 0:
        return ""
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"
