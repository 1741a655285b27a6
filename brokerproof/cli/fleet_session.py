"""What the commands of ``brokerproof fleet`` do: sets written, runs started, followed and reported."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit
from brokerproof.aws.intent.files import is_intent, load_intent
from brokerproof.aws.intent.models import Whereabouts
from brokerproof.cli.account import facts_from
from brokerproof.cli.verify_bootstrap import append_to_history, exit_code, summarize
from brokerproof.errors import CouldNotError
from brokerproof.extras import Extra, require
from brokerproof.fleet.hub import FleetError, Hub, check_name, hub_of, reached_by
from brokerproof.fleet.items import Made, make_set
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
    from brokerproof.fleet.engine import Execution, Wanted
    from brokerproof.fleet.follow import Count
    from brokerproof.fleet.parts import OpenHub, Part

_NAMED: Final = 20
"""Clients that did not run, by name on the terminal; the reports name all."""


class Where(Protocol):
    """Where a run's reports go."""

    run_dir: Path | None
    history: Path | None
    reports: tuple[str, ...]


@contextmanager
def opened(hubs: Sequence[Hub]) -> Iterator[Session]:
    """The session of one hub or of several, with credentials as every AWS tool finds them.

    Raises:
        MissingExtraError: boto3 is not installed.
        FleetError: two hubs are in one Region, or AWS cannot be asked.
    """
    require(Extra.AWS, "a fleet")
    from botocore.config import Config  # noqa: PLC0415  an extra
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  likewise

    from brokerproof.fleet.access import Credentials  # noqa: PLC0415  likewise
    from brokerproof.fleet.engines import open_engine  # noqa: PLC0415  likewise
    from brokerproof.fleet.parts import OpenHub, check_regions  # noqa: PLC0415  likewise
    from brokerproof.fleet.store import AT_ONCE, Store  # noqa: PLC0415  likewise

    check_regions(hubs)
    config = Config(
        retries={"mode": "adaptive", "total_max_attempts": 6},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=AT_ONCE,
        user_agent_extra="brokerproof-fleet",
    )
    # Links must name the bucket's own Region, which a gateway endpoint leads to.
    signing = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    ready = []
    try:
        for hub in hubs:
            session = boto3_session(hub.region_name)
            store = Store(hub, session.client("s3", config=config.merge(signing)))
            ready.append(OpenHub(hub, store, open_engine(hub, store, Credentials(session, config))))
    except BotoCoreError as error:
        raise FleetError(f"AWS cannot be asked: {error}") from None
    yield Session(tuple(ready))


def boto3_session(region_name: str) -> Any:
    """As every AWS tool finds its credentials."""
    import boto3  # noqa: PLC0415  an extra

    return boto3.Session(region_name=region_name)


@dataclass(frozen=True, slots=True)
class Written:
    """A set that was written: its parts and how many clients may run at a time, by Region, and what that rests on."""

    made: Mapping[str, Made]
    at_once: Mapping[str, int]
    because: str


@dataclass(frozen=True, slots=True)
class Session:
    """The hubs that can be asked: one, or one a Region."""

    hubs: tuple[OpenHub, ...]

    def write(self, name: str, target: Path, pace: Callable[[Topology], Pace], *, only_region: bool) -> Written:
        """Write the set of a target, to each hub its Region's clients; returns how many may run at a time.

        ``only_region``: of the clients in the hubs' Regions; the others are said to be left out.

        Raises:
            WrongUseError: the target is wrong.
            CouldNotError: the account or S3 refused.
        """
        from brokerproof.fleet.parts import shared_out  # noqa: PLC0415  boto3 is an extra

        topology, shown, stated = _read(target)
        hubs = [one.hub for one in self.hubs]
        with Screen() as screen:
            if only_region:
                topology = _within(hubs, topology, screen)
            wanted = self._by_hub(topology)
            made = {
                one.hub: make_set(
                    one.hub,
                    name,
                    topology,
                    one.engine.reach(topology, [topology.client(each) for each in wanted[one.hub]], stated),
                    clients=wanted[one.hub],
                    audit=shown,
                )
                for one in self.hubs
                if one.hub in wanted
            }
            asked = pace(topology)
            at_once = shared_out(asked.at_once, {hub.region_name: len(of) for hub, of in wanted.items()})
            for one in self.hubs:
                if one.hub in made:
                    _put(one, made[one.hub], screen)
        return Written({hub.region_name: each for hub, each in made.items()}, at_once, asked.because)

    def _by_hub(self, topology: Topology) -> dict[Hub, list[str]]:
        """The clients of each hub that has any."""
        hubs = [one.hub for one in self.hubs]
        wanted: dict[Hub, list[str]] = {}
        for client in topology.clients:
            wanted.setdefault(hub_of(hubs, topology, client), []).append(client.name)
        return wanted or {hubs[0]: []}

    def see_that_schedules_start(self, name: str, wanted: Wanted) -> None:
        """Before anything is written: a set that something else is scheduled with stays as it is.

        Raises:
            FleetError: no schedule starts an engine of this kind.
        """
        for one in self.hubs:
            one.engine.scheduled(name, wanted)

    def inputs_of(self, name: str, written: Written, wanted: Callable[[int], Wanted]) -> dict[str, dict[str, Any]]:
        """What schedules start a set with, by Region.

        Raises:
            FleetError: no schedule starts an engine of this kind.
        """
        return {
            one.hub.region_name: one.engine.scheduled(name, wanted(written.at_once[one.hub.region_name]))
            for one in self.hubs
            if one.hub.region_name in written.at_once
        }

    def start(self, name: str, written: Written, wanted: Callable[[int], Wanted]) -> dict[str, str]:
        """Start the runs of a set, by its name; returns why one was not, by Region.

        ``wanted``: how, with so many at a time.

        Raises:
            EngineError, FleetError: none can be.
        """
        not_started: dict[str, str] = {}
        for one in self.hubs:
            region = one.hub.region_name
            if region not in written.at_once:
                continue
            try:
                one.engine.start(written.made[region], name, wanted(written.at_once[region]))
            except (CouldNotError, FleetError) as error:
                if len(not_started) + 1 == len(written.at_once):
                    raise
                not_started[region] = str(error)
        return not_started

    @contextmanager
    def stopped_by_interrupt(self, run: str) -> Iterator[None]:
        """Have an interruption within the block begin no more items."""
        try:
            yield
        except KeyboardInterrupt:
            for one in self.hubs:
                with suppress(CouldNotError):
                    one.engine.stop(run, run)
            raise

    def parts(self, words: str) -> tuple[Part, ...]:
        """Set and runs of ``SET`` or ``SET/RUN``, at each hub that has the set.

        Without a run the newest of each, also one that left no object: a schedule names each Region's as it likes.

        Raises:
            FleetError: no name, no set, or no run.
            CouldNotError: S3 or the engine refused.
        """
        from brokerproof.fleet.parts import Part  # noqa: PLC0415  boto3 is an extra

        name, _, run = words.partition("/")
        check_name(name, "set")
        if run:
            check_name(run, "run")
        found, lacking = [], []
        for one in self.hubs:
            try:
                made = one.store.read(name)
            except FleetError as error:
                lacking.append(error)
                continue
            found.append(Part(one, made, run or _newest(one, name)))
        if not found:
            raise lacking[0]
        return tuple(found)

    def count(self, parts: Sequence[Part]) -> Count:
        """How far a run is.

        Raises:
            WrongUseError: the parts do not belong together.
            CouldNotError: S3 or the engine refused.
        """
        from brokerproof.fleet.follow import count  # noqa: PLC0415  boto3 is an extra

        return count(parts)

    def collect(self, parts: Sequence[Part], where: Where, not_started: Mapping[str, str] | None = None) -> int:
        """Follow a run to its end, and report it; the exit code.

        Args:
            parts: Of the run.
            where: Where reports go.
            not_started: Why nothing was started, by Region.

        Raises:
            WrongUseError: there is no such set or run, or a run was recorded in the folder.
            CouldNotError: S3 or the engine refused; what was collected is reported by ``brokerproof report``.
        """
        run_dir = folder_of(parts[0].made.name, name_of(parts), where)
        total = sum(len(part.clients) for part in parts)
        with Screen() as screen:
            for region, why in (not_started or {}).items():
                screen.say(f"not started in {region}: {why}")
            missing = _written_down(parts, run_dir, screen, not_started)
            screen.say(f"{total - len(missing):,} of {total:,} clients ran")
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
            WrongUseError: there is no such set, or several hubs are given.
            CouldNotError: S3 or the engine refused, or the history cannot be written.
        """
        from brokerproof.comparison.history import append  # noqa: PLC0415  slow to import
        from brokerproof.fleet.collect import REPLACED  # noqa: PLC0415  boto3 is an extra
        from brokerproof.fleet.parts import Part  # noqa: PLC0415  likewise
        from brokerproof.reports.history import points_of  # noqa: PLC0415  slow to import

        require(Extra.COMPARE, "a history")
        if len(self.hubs) > 1:
            raise FleetError(
                "runs of several Regions' schedules do not belong together; collect them one by one with --history"
            )
        [one] = self.hubs
        made = one.store.read(name)
        appended = 0
        for run in one.store.runs(name):
            execution = one.engine.look(name, run)
            if (history / f"{run}.parquet").exists() or (execution is not None and not execution.is_over):
                continue
            with tempfile.TemporaryDirectory(prefix="brokerproof-") as folder, Screen() as screen:
                _written_down([Part(one, made, run)], Path(folder), screen)
                document = recorded(Path(folder)).document
                replaced = any(REPLACED in client.vantage_error for client in document.clients)
                if replaced:
                    screen.say(f"run {run} is left out: the set was published anew since")
            if replaced:
                continue
            append(history, points_of(document))
            appended += 1
        return appended


def name_of(parts: Sequence[Part]) -> str:
    """The name of a run: of its execution, or of its Regions' one after another where a schedule named them apart."""
    return "+".join(dict.fromkeys(part.run for part in parts))


def _newest(one: OpenHub, name: str) -> str:
    newest = name if one.engine.look(name, name) is not None else one.engine.newest(name)
    if newest is not None:
        return newest
    runs = one.store.runs(name)  # what the engine has forgotten
    if not runs:
        raise FleetError(f"set {name!r} has no run: the engine knows none, and S3 has no object of one")
    return runs[-1]


def _within(hubs: Sequence[Hub], whole: Topology, screen: Screen) -> Topology:
    """The topology with the clients of the hubs' Regions; the others are named."""
    topology = reached_by(hubs, whole)
    left_out = sorted({c.name for c in whole.clients} - {c.name for c in topology.clients})
    if left_out:
        screen.say(f"left out, since they are not in {listed([h.region_name for h in hubs])}: {listed(left_out)}")
    return topology


def _put(one: OpenHub, made: Made, screen: Screen) -> None:
    total, where = len(made.set.items), f"s3://{one.hub.bucket}/{one.hub.prefix}/{made.set.name}/"
    one.store.write(made.set, made.plans, lambda number: screen.show(f"writing plans: {number:,} of {total:,}"))
    screen.say(f"wrote {total:,} plans to {where}")


def _written_down(
    parts: Sequence[Part], run_dir: Path, screen: Screen, not_started: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Follow a run into a journal; returns the clients that did not run."""
    from brokerproof.fleet.collect import Collector  # noqa: PLC0415  boto3 is an extra
    from brokerproof.fleet.follow import follow  # noqa: PLC0415  likewise
    from brokerproof.fleet.parts import the_one_topology  # noqa: PLC0415  likewise

    target = the_one_topology(parts).name
    about = Run(run_id=name_of(parts), target=target, tool=describe_tool(), host=describe_host())
    began = [each.began for each in _looks(parts) if each.began is not None]
    with Journal.open(run_dir, about, at=min(began, default=None)) as journal:
        collector = Collector(parts, journal)
        try:
            missing = follow(
                parts, collector=collector, told=lambda count: screen.show(count.words), not_started=not_started
            )
        except KeyboardInterrupt:
            screen.say(f"interrupted; what arrives is kept: brokerproof fleet collect {parts[0].made.name}")
            journal.finish_run(cut_short="interrupted")
            raise
        ends = [each.ended for each in _looks(parts)]
        journal.finish_run(at=max((end for end in ends if end is not None), default=None) if all(ends) else None)
    return missing


def _looks(parts: Sequence[Part]) -> list[Execution]:
    return [known for known in (part.look() for part in parts) if known is not None]


def folder_of(name: str, run: str, where: Where) -> Path:
    """Where a run is recorded.

    Raises:
        JournalError: another run was recorded there.
    """
    run_dir = (where.run_dir or RESULTS / (run if run == name else f"{name}-{run}")).resolve()
    refuse_used(run_dir)
    return run_dir


def _read(target: Path) -> tuple[Topology, Audit | None, dict[str, str]]:
    """A topology file at its word, or the account behind an intent with what it shows; and the instances of clients."""
    if not is_intent(target):
        topology = load(target)
        return topology, None, _instances(topology)
    facts = facts_from(target)
    intended = load_intent(target).clients
    there = {each.name: each.at for each in intended if each.whereabouts is Whereabouts.INSTANCE}
    return facts.topology, audit(facts), there | _instances(facts.topology)


def _instances(topology: Topology) -> dict[str, str]:
    """The instances that a file names, by client."""
    found = {client.name: client.vantage.instance_id for client in topology.clients}
    return {client: instance for client, instance in found.items() if instance is not None}
