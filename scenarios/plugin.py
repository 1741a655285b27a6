"""The pytest side of scenarios: options, markers, parameters, fixtures, and the run directory.

Registered by the top-level conftest.py. One lab runs a process, and is changed to the topology of each
class in turn; only other brokers need another lab. Under pytest-xdist a file goes to one worker
(``--dist=loadfile``), and every worker has a lab of its own.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Hashable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from brokerproof.comparison.errors import SamplesError
from brokerproof.comparison.history import STORE, append
from brokerproof.diagnosis.check import Verdict
from brokerproof.extras import MissingExtraError
from brokerproof.lab.daemons.kafka_dist import wanted_version
from brokerproof.lab.errors import LabError
from brokerproof.reports.document import ResultDocument, Run, TestOutcome, TestPhase, TestResult
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.history import points_of
from brokerproof.reports.journal import OWNER, Journal
from brokerproof.reports.markdown import append_job_summary
from brokerproof.reports.render import Rendered, render_all
from brokerproof.reports.terminal import print_summary
from brokerproof.running.lab_pool import LabPool, brokers_of
from brokerproof.running.planning import ClientRun
from brokerproof.running.site import LAB, Site, TargetError, load_target
from brokerproof.scenarios.options import pytest_addoption as pytest_addoption  # noqa: PLC0414 - pytest finds it by its name
from brokerproof.scenarios.selection import (
    by_brokers,
    client_of,
    fits_nobody,
    lab_only,
    label,
    options_of,
    parametrize,
    pattern_of,
)
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import Client, Cluster, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions

MARKERS: Final = {
    "in_vpc": "the baseline: a client in the cluster's own VPC",
    "peering": "VPC peering, same Region and another",
    "transit_gateway": "Transit Gateway, one Region and two peered ones",
    "dual_stack": "clients of an IPv6 listener: the network type DUAL, its names and ports",
    "privatelink": "PrivateLink, with one NLB or one a broker",
    "multi_vpc": "MSK multi-VPC private connectivity",
    "combination": "one cluster reached by several patterns at once",
    "cross_region": "clients in another Region than their cluster",
    "local_client": "clients in the cluster's own VPC that go by a pattern's path all the same",
    "isolation": "what must not work",
    "performance": "measurements: latency and throughput",
    "acceptance": "all that must hold after a change: everything but measurements",
    "canary": "a client's way from end to end: names, addresses, the right broker, records both ways, groups",
    "applies": "only for the clients and brokers of which its ``where`` is true",
    "lab": "needs the lab: namespaces, unbound, nftables, Java, Kafka",
}
_SESSION = pytest.StashKey["ScenarioSession"]()


def _from_elsewhere(client: Client, cluster: Cluster) -> bool:
    return client.cluster_name == cluster.cluster_name and client.vpc_id != cluster.vpc_id


class ScenarioSession:
    """One pytest process: its target, its journal, and what its runs said."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker = getattr(config, "workerinput", {}).get("workerid", "")
        shared = getattr(config, "workerinput", {})
        self.run_id = shared.get("run_id") or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        base = config.getoption("--run-dir")
        self.run_dir = Path(shared.get("run_dir") or (base or Path("results") / self.run_id)).resolve()
        self.target_option = str(config.getoption("--target"))
        self.target: Topology | None = None
        self.runs: list[ClientRun] = []
        self.scenarios_selected = 0
        self.workers: set[str] = set()
        self.writers: set[str] = set()
        self._journal: Journal | None = None
        self.rendered: Rendered | None = None
        self.labs: LabPool | None = None
        self._built: dict[tuple[str, str], Topology] = {}
        self._views: dict[tuple[str, str, str], ClientView | None] = {}

    @property
    def combined(self) -> bool:
        """Whether clients of the target reach one cluster from elsewhere by several patterns."""
        return self.target is not None and any(
            len({c.pattern for c in self.target.clients if c.pattern and _from_elsewhere(c, cluster)}) > 1
            for cluster in self.target.clusters
        )

    def load(self) -> None:
        """Read the target file, if there is one."""
        if self.target_option != LAB:
            self.target = load_target(Path(self.target_option))

    @property
    def journal(self) -> Journal:
        """This process's journal; the run directory is made when the first scenario runs."""
        if self._journal is None:
            self._journal = Journal.open(self.run_dir, self.describe(), writer=self.worker or OWNER)
        return self._journal

    @property
    def opened(self) -> bool:
        """Whether anything was written."""
        return self._journal is not None

    def describe(self) -> Run:
        """Who is running, where, against what."""
        return Run(
            run_id=self.run_id,
            target=Path(self.target_option).name,
            tool=describe_tool(),
            host=describe_host(),
        )

    def topology(self, pattern: str, options: PatternOptions | None) -> Topology:
        """The topology of a pattern: the target's own, or the builder's."""
        if self.target is not None:
            return self.target
        options = (options or PatternOptions()).model_copy(update={"kafka_version": wanted_version(os.environ)})
        key = (pattern, options.model_dump_json())
        if key not in self._built:  # asked for once a test
            self._built[key] = PATTERNS[pattern](options)
        return self._built[key]

    def view(self, pattern: str, options: PatternOptions | None, client: str) -> ClientView | None:
        """A client's view; None where the topology cannot carry its pattern, which is for its tests to say."""
        key = (pattern, options.model_dump_json() if options is not None else "", client)
        if key not in self._views:
            try:
                self._views[key] = expect(self.topology(pattern, options), client)
            except TopologyError:
                self._views[key] = None
        return self._views[key]

    def brokers(self, pattern: str) -> Hashable:
        """What tells patterns apart that cannot share a lab; one that cannot be built is told when it is asked for."""
        try:
            return brokers_of(self.topology(pattern, None))
        except LabError:
            return pattern


def pytest_configure(config: pytest.Config) -> None:
    """Register markers and open the session.

    Raises:
        pytest.UsageError: the target file is wrong.
    """
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    session = ScenarioSession(config)
    try:
        session.load()
    except (TopologyError, TargetError) as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_SESSION] = session


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give an xdist worker the run it belongs to."""
    session = node.config.stash[_SESSION]
    session.workers.add(node.workerinput["workerid"])
    node.workerinput["run_id"] = session.run_id
    node.workerinput["run_dir"] = str(session.run_dir)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a client, or a client and broker, named in words."""
    pattern = pattern_of(metafunc)
    if pattern is None or not {"run", "observer"} & set(metafunc.fixturenames):
        return
    session = metafunc.config.stash[_SESSION]
    options = options_of(metafunc)
    topology = session.topology(pattern, options)
    parametrize(metafunc, topology, partial(session.view, pattern, options), combined=session.combined)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what fits no client, and what a target file cannot have: variants, patterns nobody uses; save lab starts."""
    session = config.stash[_SESSION]
    patterns = None if session.target is None else {c.pattern for c in session.target.clients}
    keep: list[pytest.Item] = []
    drop: list[pytest.Item] = []
    for item in items:
        pattern = pattern_of(item)
        in_target = patterns is None or (not lab_only(item) and pattern in patterns)
        usable = pattern is None or (in_target and not fits_nobody(item))
        (keep if usable else drop).append(item)
    items[:] = keep if session.target is not None else by_brokers(keep, session.brokers)
    if drop:
        config.hook.pytest_deselected(items=drop)
    session.scenarios_selected = sum(pattern_of(item) is not None for item in items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """A target that no selected scenario fits is a mistake, not a success.

    Raises:
        pytest.UsageError: nothing would be probed.
    """
    state = session.config.stash[_SESSION]
    if state.target is not None and not any(pattern_of(item) for item in session.items) and not state.worker:
        patterns = ", ".join(sorted({c.pattern or "observer" for c in state.target.clients}))
        raise pytest.UsageError(
            f"nothing to probe: no selected scenario fits the clients of {state.target_option}, "
            f"whose patterns are: {patterns}"
        )


@pytest.fixture(scope="session")
def labs(request: pytest.FixtureRequest) -> Iterator[LabPool]:
    """The lab of this process, as whatever topology is asked for; it ends with the last test that uses it."""
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def progress(text: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.write_line(text)

    session = request.config.stash[_SESSION]
    session.labs = LabPool(progress)
    yield session.labs
    session.labs.close()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the lab when no test follows that uses it, so that it takes no memory from others."""
    labs = item.config.stash[_SESSION].labs
    if labs is not None and "labs" not in getattr(nextitem, "fixturenames", ()):
        labs.close()


@pytest.fixture(scope="class")
def site(request: pytest.FixtureRequest, labs: LabPool) -> Iterator[Site]:
    """This class's topology with its clients reachable, in the lab or where the target file says."""
    session = request.config.stash[_SESSION]
    topology = session.topology(pattern_of(request) or "", options_of(request))
    lab = None
    if session.target is None:
        try:
            lab = labs.lab(topology)
        except LabError as error:
            pytest.fail(str(error), pytrace=False)
    with Site(
        topology,
        lab=lab,
        journal=session.journal,
        label=partial(label, request),
        limits=request.config.getoption("--verdict-within"),
        idle_hold_ms=request.config.getoption("--idle-hold"),
        amount=request.config.getoption("--measure"),
        load=request.config.getoption("--load"),
    ) as opened:
        yield opened


def _run(request: pytest.FixtureRequest, site: Site) -> ClientRun:
    session = request.config.stash[_SESSION]
    mine = [item for item in request.session.items if getattr(item, "cls", None) is request.cls]
    measured = {client_of(item) for item in mine if item.get_closest_marker("performance") is not None}
    if request.param not in measured:
        # Those that are measured have the lab for themselves.
        site.verify([name for name in dict.fromkeys(map(client_of, mine)) if name and name not in measured])
    run = site.run(request.param, measure=request.param in measured)
    if run not in session.runs:
        session.runs.append(run)
    return run


@pytest.fixture(scope="class")
def run(request: pytest.FixtureRequest, site: Site) -> ClientRun:
    """One client's run, made once a class."""
    return _run(request, site)


@pytest.fixture(scope="class")
def observer(request: pytest.FixtureRequest, site: Site) -> ClientRun:
    """The run of a client that must reach nothing."""
    return _run(request, site)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep each test's result with the run (workers write their own)."""
    session = _current.get("session")
    if session is None or not report.nodeid.startswith("scenarios/"):
        return
    if session.workers:  # workers write down their own tests; here it is enough to know who ran one
        session.writers.add(str(getattr(report, "worker_id", "")))
        return
    if report.when != "call" and report.outcome == "passed":
        return
    outcome = {"passed": TestOutcome.PASSED, "skipped": TestOutcome.SKIPPED}.get(
        report.outcome, TestOutcome.FAILED if report.when == "call" else TestOutcome.ERROR
    )
    session.journal.test(
        TestResult(
            node_id=report.nodeid,
            outcome=outcome,
            duration_ns=int(report.duration * 1e9),
            phase=TestPhase(report.when),
            message="" if report.outcome == "passed" else _first_line(report),
        )
    )


def _first_line(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # a skip: (file, line, reason)
        return str(report.longrepr[2]).removeprefix("Skipped: ").splitlines()[0]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr if crash is None else crash.message).strip()
    return text.splitlines()[0] if text else ""


_current: dict[str, ScenarioSession] = {}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the session for hooks that are not given it."""
    _current["session"] = session.config.stash[_SESSION]


def _short(path: Path) -> str:
    """Relative where that is below this directory, so that it can be clicked and copied."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def red_outside_the_selection(runs: list[ClientRun]) -> list[str]:
    """Ids of red checks; a session must not end green over them, whatever tests were selected."""
    red = {Verdict.FAILED, Verdict.ERROR, Verdict.NOT_SEEN}
    return [
        f"{run.view.pattern}/{run.view.client}/{c.check_id}" for run in runs for c in run.checks if c.verdict in red
    ]


def _refuse_red_of_all(session: pytest.Session, document: ResultDocument) -> None:
    """What only all clients together show is in no test: whether they reach the same cluster."""
    red = [f"{r.name}/{c.check_id}" for r in document.clients for c in r.checks if c.verdict is Verdict.FAILED]
    if session.exitstatus == pytest.ExitCode.OK and red:
        sys.stderr.write(f"\nbrokerproof: red beyond the selected tests: {', '.join(red)}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _append_to_history(state: ScenarioSession) -> None:
    """A store that cannot be written is said, and changes no verdict."""
    given = state.config.getoption("--history")
    store = given or (STORE if state.config.getoption("--run-dir") is None else None)
    if store is None or state.rendered is None:
        return
    try:
        append(store, points_of(state.rendered.document))
    except (SamplesError, MissingExtraError) as problem:
        sys.stderr.write(f"\nbrokerproof: the history was not appended to: {problem}\n")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Close the journal, and refuse a green end that was not earned."""
    state = session.config.stash[_SESSION]
    red = red_outside_the_selection(state.runs)
    if exitstatus == pytest.ExitCode.OK and red:
        sys.stderr.write(f"\nbrokerproof: red beyond the selected tests: {', '.join(red)}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if state.worker:
        if state.opened:
            state.journal.close_complete()
        return
    if state.opened or state.workers:
        writers = sorted(state.writers - {""})
        if state.opened or writers:
            cut_short = "" if exitstatus in {0, 1} else pytest.ExitCode(exitstatus).name.lower().replace("_", " ")
            state.journal.finish_run(cut_short=cut_short, writers=writers)
            state.rendered = render_all(state.run_dir, also=session.config.getoption("reports"))
            try:
                append_job_summary(state.rendered.document, os.environ)
            except OSError as error:
                sys.stderr.write(f"\nbrokerproof: the job's summary could not be written: {error}\n")
            _append_to_history(state)
            _refuse_red_of_all(session, state.rendered.document)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The run in words, and where its reports are."""
    state = config.stash[_SESSION]
    if state.rendered is None:
        return
    terminalreporter.section("brokerproof")
    console = Console(file=terminalreporter._tw._file, width=terminalreporter._tw.fullwidth, highlight=False)  # noqa: SLF001
    where = [(what, _short(Path(path))) for what, path in state.rendered.named()]
    print_summary(state.rendered.document, console, reports=where, notes=state.rendered.notes)
