"""What the commands of ``brokerproof fleet`` do: sets written, runs started, followed and reported."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit
from brokerproof.aws.intent.files import is_intent
from brokerproof.cli.account import facts_from
from brokerproof.cli.verify_bootstrap import append_to_history, exit_code, summarize
from brokerproof.errors import CouldNotError
from brokerproof.extras import Extra, require
from brokerproof.fleet.hub import FleetError, Hub, check_name
from brokerproof.fleet.items import FleetSet, make_set
from brokerproof.fleet.machine import execution_input
from brokerproof.fleet.pace import Pace
from brokerproof.reports.document import Run
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.journal import RESULTS, Journal, refuse_used
from brokerproof.reports.merge import recorded
from brokerproof.reports.render import render_all
from brokerproof.running.screen import Screen
from brokerproof.topology.files import load
from brokerproof.topology.models import Topology
from brokerproof.wording import listed

if TYPE_CHECKING:
    from brokerproof.fleet.engine import Engine
    from brokerproof.fleet.follow import Count
    from brokerproof.fleet.store import Store

_NAMED: Final = 20
"""Clients that did not run, by name on the terminal; the reports name all."""


class Where(Protocol):
    """Where a run's reports go."""

    run_dir: Path | None
    history: Path | None
    reports: tuple[str, ...]


@contextmanager
def opened(hub: Hub) -> Iterator[Session]:
    """The session of a hub, with credentials as every AWS tool finds them.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    require(Extra.AWS, "a fleet")
    from botocore.config import Config  # noqa: PLC0415  an extra
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  likewise

    from brokerproof.fleet.engine import Engine  # noqa: PLC0415  likewise
    from brokerproof.fleet.store import AT_ONCE, Store  # noqa: PLC0415  likewise

    config = Config(
        retries={"mode": "adaptive", "total_max_attempts": 6},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=AT_ONCE,
        user_agent_extra="brokerproof-fleet",
    )
    try:
        session = boto3_session(hub.region_name)
        s3, states = (session.client(name, config=config) for name in ("s3", "stepfunctions"))
    except BotoCoreError as error:
        raise FleetError(f"AWS cannot be asked: {error}") from None
    yield Session(hub, Store(hub, s3), Engine(hub, states))


def boto3_session(region_name: str) -> Any:
    """As every AWS tool finds its credentials."""
    import boto3  # noqa: PLC0415  an extra

    return boto3.Session(region_name=region_name)


@dataclass(frozen=True, slots=True)
class Session:
    """A hub that can be asked."""

    hub: Hub
    store: Store
    engine: Engine

    def write(self, name: str, target: Path, pace: Callable[[Topology], Pace], *, only_region: bool) -> Pace:
        """Write the set of a target; returns how many of it may run at a time.

        ``only_region``: of the clients in the hub's Region; the others are said to be left out.

        Raises:
            WrongUseError: the target is wrong.
            CouldNotError: the account or S3 refused.
        """
        topology, shown = _read(target)
        with Screen() as screen:
            if only_region:
                whole, topology = topology, self.hub.reached(topology)
                left_out = sorted({c.name for c in whole.clients} - {c.name for c in topology.clients})
                if left_out:
                    screen.say(f"left out, since they are not in {self.hub.region_name}: {listed(left_out)}")
            made = make_set(self.hub, name, topology, audit=shown)
            total = len(made.set.items)
            self.store.write(
                made.set, made.plans, lambda number: screen.show(f"writing plans: {number:,} of {total:,}")
            )
            screen.say(f"wrote {total:,} plans to s3://{self.hub.bucket}/{self.hub.prefix}/{name}/")
        return pace(topology)

    def input_of(self, name: str, *, at_once: int) -> dict[str, Any]:
        """What an execution of a set is started with."""
        return execution_input(self.hub, name, at_once=at_once)

    def start(self, name: str, *, at_once: int, tolerated: float) -> None:
        """Start the execution of a set, by the same name.

        Raises:
            EngineError: it cannot be.
        """
        self.engine.start(name, execution_input(self.hub, name, at_once=at_once, tolerated=tolerated))

    @contextmanager
    def stopped_by_interrupt(self, run: str) -> Iterator[None]:
        """Have an interruption within the block begin no more items."""
        try:
            yield
        except KeyboardInterrupt:
            with suppress(CouldNotError):
                self.engine.stop(run)
            raise

    def which(self, words: str) -> tuple[str, str]:
        """Set and run of ``SET`` or ``SET/RUN``: without a run the newest, also one that left no object.

        Raises:
            FleetError: no name, or no run.
            CouldNotError: S3 or the engine refused.
        """
        name, _, run = words.partition("/")
        check_name(name, "set")
        if run:
            return name, check_name(run, "run")
        newest = name if self.engine.look(name) is not None else self.engine.newest(name)
        if newest is not None:
            return name, newest
        runs = self.store.runs(name)  # what the engine has forgotten
        if not runs:
            raise FleetError(f"set {name!r} has no run: the engine knows none, and S3 has no object of one")
        return name, runs[-1]

    def count(self, name: str, run: str) -> Count:
        """How far a run is.

        Raises:
            WrongUseError: there is no such set.
            CouldNotError: S3 or the engine refused.
        """
        from brokerproof.fleet.follow import count  # noqa: PLC0415  boto3 is an extra

        return count(self.engine, self.store, self.store.read(name), run)

    def collect(self, name: str, run: str, where: Where) -> int:
        """Follow a run to its end, and report it; the exit code.

        Args:
            name: Of the set.
            run: Of the run.
            where: Where reports go.

        Raises:
            WrongUseError: there is no such set or run, or a run was recorded in the folder.
            CouldNotError: S3 or the engine refused; what was collected is reported by ``brokerproof report``.
        """
        run_dir = folder_of(name, run, where)
        made = self.store.read(name)
        with Screen() as screen:
            missing = self._written_down(made, run, run_dir, screen)
            screen.say(f"{len(made.items) - len(missing):,} of {len(made.items):,} clients ran")
            if missing:
                more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
                named = f"{', '.join(missing[:_NAMED])}{more}" if more else listed(missing)
                screen.say(f"did not run: {named}")
        rendered = render_all(run_dir, also=where.reports)
        append_to_history(where.history, where.run_dir, rendered)
        summarize(rendered)
        return exit_code(rendered)

    def catch_up(self, name: str, history: Path) -> int:
        """Append to a history every run of a set that it lacks, read off the bucket; returns how many.

        A run that goes on is left for later, and one that answered plans which were replaced since is left out.

        Raises:
            WrongUseError: there is no such set.
            CouldNotError: S3 or the engine refused, or the history cannot be written.
        """
        from brokerproof.comparison.history import append  # noqa: PLC0415  slow to import
        from brokerproof.fleet.collect import REPLACED  # noqa: PLC0415  boto3 is an extra
        from brokerproof.reports.history import points_of  # noqa: PLC0415  slow to import

        require(Extra.COMPARE, "a history")
        made = self.store.read(name)
        appended = 0
        for run in self.store.runs(name):
            execution = self.engine.look(run)
            if (history / f"{run}.parquet").exists() or (execution is not None and not execution.state.is_over):
                continue
            with tempfile.TemporaryDirectory(prefix="brokerproof-") as folder, Screen() as screen:
                self._written_down(made, run, Path(folder), screen)
                document = recorded(Path(folder)).document
                replaced = any(REPLACED in client.vantage_error for client in document.clients)
                if replaced:
                    screen.say(f"run {run} is left out: the set was published anew since")
            if replaced:
                continue
            append(history, points_of(document))
            appended += 1
        return appended

    def _written_down(self, made: FleetSet, run: str, run_dir: Path, screen: Screen) -> tuple[str, ...]:
        """Follow a run into a journal; returns the clients that did not run."""
        from brokerproof.fleet.collect import Collector  # noqa: PLC0415  boto3 is an extra
        from brokerproof.fleet.follow import follow  # noqa: PLC0415  likewise

        about = Run(run_id=run, target=made.topology.name, tool=describe_tool(), host=describe_host())
        known = self.engine.look(run)
        with Journal.open(run_dir, about, at=None if known is None else known.began) as journal:
            collector = Collector(self.store, made, run, journal)
            told = screen.show
            try:
                missing = follow(
                    self.engine, self.store, made, run, collector=collector, told=lambda count: told(count.words)
                )
            except KeyboardInterrupt:
                screen.say(f"interrupted; what arrives is kept: brokerproof fleet collect {made.name}")
                journal.finish_run(cut_short="interrupted")
                raise
            known = self.engine.look(run)
            journal.finish_run(at=None if known is None else known.ended)
        return missing


def folder_of(name: str, run: str, where: Where) -> Path:
    """Where a run is recorded.

    Raises:
        JournalError: another run was recorded there.
    """
    run_dir = (where.run_dir or RESULTS / (run if run == name else f"{name}-{run}")).resolve()
    refuse_used(run_dir)
    return run_dir


def _read(target: Path) -> tuple[Topology, Audit | None]:
    """A topology file at its word, or the account behind an intent with what it shows."""
    if not is_intent(target):
        return load(target), None
    facts = facts_from(target)
    return facts.topology, audit(facts)
