"""The pytest side of scenarios: options, markers, parameters, fixtures, and the run directory.

Registered by the top-level conftest.py. A lab is started once a file and shared by its classes; a
class may vary the topology, which is applied to the running lab. Under pytest-xdist a file goes to
one worker (``--dist=loadfile``), so workers never share a lab.
"""

from __future__ import annotations

import os
import platform
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from diagnosis.check import Verdict
from lab.errors import LabError
from lab.handle import Lab
from lab.kafka_dist import wanted_version
from reports.document import Host, Run, TestOutcome, TestPhase, TestResult, Tool
from reports.journal import OWNER, Journal
from reports.render import Rendered, render_all
from reports.terminal import print_summary
from scenarios.planning import ClientRun
from scenarios.world import LAB, TargetError, World, load_target
from topology.files import TopologyError
from topology.models import Topology
from topology.patterns import PATTERNS, PatternOptions

MARKERS: Final = {
    "in_vpc": "the baseline: a client in the cluster's own VPC",
    "peering": "VPC peering, same Region and another",
    "transit_gateway": "Transit Gateway, one Region and two peered ones",
    "cross_region": "a client in another Region than the cluster",
    "privatelink": "PrivateLink, with one NLB or one a broker",
    "isolation": "what must not work",
    "performance": "measurements: latency and throughput",
    "lab": "needs the lab: namespaces, unbound, nftables, Java, Kafka",
}
_LIBRARIES: Final = ("confluent-kafka", "cryptography", "dnspython", "kio", "msgspec", "pyopenssl", "pytest")
_SESSION = pytest.StashKey["ScenarioSession"]()


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
            tool=Tool(version=version("brokerproof"), libraries={name: version(name) for name in _LIBRARIES}),
            host=Host(
                kernel=platform.release(),
                python=platform.python_version(),
                machine=platform.machine(),
                cores=len(os.sched_getaffinity(0)),
            ),
        )

    def topology(self, pattern: str, options: PatternOptions | None) -> Topology:
        """The topology of a pattern: the target's own, or the builder's."""
        if self.target is not None:
            return self.target
        options = options or PatternOptions()
        return PATTERNS[pattern](options.model_copy(update={"kafka_version": wanted_version(os.environ)}))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of every run."""
    group = parser.getgroup("brokerproof")
    group.addoption(
        "--target",
        default=LAB,
        metavar="lab|FILE.yaml",
        help="probe the embedded lab (default), or the clients and cluster that a topology file describes",
    )
    group.addoption(
        "--run-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="where results go (default: results/<time>); must not hold an earlier run",
    )


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


def _pattern(node: Any) -> str | None:
    return getattr(getattr(node, "module", None), "PATTERN", None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a client, or a client and broker, named in words."""
    pattern = _pattern(metafunc)
    if pattern is None or not {"run", "observer"} & set(metafunc.fixturenames):
        return
    session = metafunc.config.stash[_SESSION]
    topology = session.topology(pattern, getattr(metafunc.cls, "OPTIONS", None))
    if "observer" in metafunc.fixturenames:
        names = [c.name for c in topology.clients if c.pattern is None]
        metafunc.parametrize("observer", names, indirect=True, scope="class")
        return
    clients = [c for c in topology.clients if c.pattern == pattern]
    if "broker" not in metafunc.fixturenames:
        metafunc.parametrize("run", [c.name for c in clients], indirect=True, scope="class")
        return
    pairs = [
        pytest.param(c.name, f"broker-{b.broker_id}", id=f"{c.name}-broker-{b.broker_id}")
        for c in clients
        for b in topology.cluster(c.cluster_name).brokers
    ]
    metafunc.parametrize(("run", "broker"), pairs, indirect=["run"], scope="class")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a target file, drop the variants, which only the lab can build, and patterns nobody uses."""
    session = config.stash[_SESSION]
    if session.target is not None:
        patterns = {c.pattern for c in session.target.clients}
        keep: list[pytest.Item] = []
        drop: list[pytest.Item] = []
        for item in items:
            pattern = _pattern(item)
            variant = getattr(getattr(item, "cls", None), "VARIANT", "")
            usable = pattern is None or (not variant and pattern in patterns)
            (keep if usable else drop).append(item)
        items[:] = keep
        config.hook.pytest_deselected(items=drop)
    session.scenarios_selected = sum(_pattern(item) is not None for item in items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """A target that no selected scenario fits is a mistake, not a success.

    Raises:
        pytest.UsageError: nothing would be probed.
    """
    state = session.config.stash[_SESSION]
    if state.target is not None and not any(_pattern(item) for item in session.items) and not state.worker:
        patterns = ", ".join(sorted({c.pattern or "observer" for c in state.target.clients}))
        raise pytest.UsageError(
            f"nothing to probe: no selected scenario fits the clients of {state.target_option}, "
            f"whose patterns are: {patterns}"
        )


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab | None]:
    """The lab of this file's pattern; None when a target file is probed."""
    session = request.config.stash[_SESSION]
    if session.target is not None:
        yield None
        return
    topology = session.topology(_pattern(request) or "", None)
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    began = time.monotonic()

    def progress(text: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.write_line(f"lab {topology.name}: {time.monotonic() - began:4.1f} s  {text}")

    try:
        built = Lab.start(topology, progress=progress)
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    with built:
        yield built


@pytest.fixture(scope="class")
def world(request: pytest.FixtureRequest, lab: Lab | None) -> Iterator[World]:
    """This class's topology, applied to the lab, with its clients reachable."""
    session = request.config.stash[_SESSION]
    label = getattr(request.cls, "VARIANT", "")
    topology = session.topology(_pattern(request) or "", getattr(request.cls, "OPTIONS", None))
    if lab is not None:
        lab.apply(topology)
    with World(topology, lab=lab, journal=session.journal, label=label, beside=_pattern(request) or "") as opened:
        yield opened


def _run(request: pytest.FixtureRequest, world: World) -> ClientRun:
    session = request.config.stash[_SESSION]
    measured = any(
        item.get_closest_marker("performance") is not None
        for item in request.session.items
        if getattr(item, "cls", None) is request.cls
    )
    run = world.run(request.param, measure=measured)
    if run not in session.runs:
        session.runs.append(run)
    return run


@pytest.fixture(scope="class")
def run(request: pytest.FixtureRequest, world: World) -> ClientRun:
    """One client's run, made once a class."""
    return _run(request, world)


@pytest.fixture(scope="class")
def observer(request: pytest.FixtureRequest, world: World) -> ClientRun:
    """The run of a client that must reach nothing."""
    return _run(request, world)


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
            state.rendered = render_all(state.run_dir)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The run in words, and where its reports are."""
    state = config.stash[_SESSION]
    if state.rendered is None:
        return
    terminalreporter.section("brokerproof")
    console = Console(file=terminalreporter._tw._file, width=terminalreporter._tw.fullwidth, highlight=False)  # noqa: SLF001
    where = [(what, _short(Path(path))) for what, path in state.rendered.named()]
    print_summary(state.rendered.document, console, reports=where)
