"""The pytest side of scenarios: options, markers, parameters, fixtures, and the run directory.

Registered by the conftest.py of a project, or by its name on pytest's command line. One lab runs a process,
and is changed to the topology of each class in turn; only other brokers need another lab. Under pytest-xdist
a file goes to one worker, and every worker has a lab of its own.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from brokerproof.comparison.errors import SamplesError
from brokerproof.comparison.history import STORE, append
from brokerproof.diagnosis.check import Verdict
from brokerproof.errors import CouldNotError, WrongUseError
from brokerproof.extras import MissingExtraError
from brokerproof.reports.document import ResultDocument
from brokerproof.reports.history import points_of
from brokerproof.reports.journal import JournalError
from brokerproof.reports.markdown import append_job_summary
from brokerproof.reports.render import render_all
from brokerproof.reports.terminal import print_summary
from brokerproof.running.amount import Amount
from brokerproof.running.planning import ClientRun
from brokerproof.scenarios.baseline import BASELINE, baseline_of, refuse_changes, tell_changes
from brokerproof.scenarios.recording import Recorder
from brokerproof.scenarios.selection import (
    by_brokers,
    fits_nobody,
    is_scenario,
    lab_only,
    parametrize,
    parametrize_without_topology,
    pattern_of,
    wrong_pattern,
)
from brokerproof.scenarios.session import SESSION, ScenarioSession
from brokerproof.topology.patterns import WITH_SCENARIOS
from brokerproof.wording import printable

pytest_plugins = ["brokerproof.scenarios.options", "brokerproof.scenarios.fixtures"]

MARKERS: Final = {
    **{spec.selected_by.name: spec.selected_by.title for spec in WITH_SCENARIOS.values()},
    "dual_stack": "clients of an IPv6 listener: the network type DUAL, its names and ports",
    "cross_region": "clients in another Region than their cluster",
    "local_client": "clients in the cluster's own VPC that go by a pattern's path all the same",
    "isolation": "what must not work",
    "performance": "measurements: latency and throughput",
    "acceptance": "all that must hold after a change: everything but measurements",
    "canary": "a client's way from end to end: names, addresses, the right broker, records both ways, groups",
    "applies": "only for the clients and brokers of which its ``where`` is true",
    "lab": "needs the lab: namespaces, unbound, nftables, Java, Kafka",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register markers and open the session.

    Raises:
        pytest.UsageError: the target file, the baseline or the declaration is wrong, or the run directory is another
            run's.
    """
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    try:
        session = ScenarioSession(config)
    except (WrongUseError, CouldNotError, JournalError) as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = session
    config.stash[BASELINE] = baseline_of(config)
    config.pluginmanager.register(Recorder(session), "brokerproof-recorder")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give an xdist worker the run it belongs to."""
    session = node.config.stash[SESSION]
    session.workers.add(node.workerinput["workerid"])
    node.workerinput["run_id"] = session.run_id
    node.workerinput["run_dir"] = str(session.run_dir)


def pytest_cmdline_main(config: pytest.Config) -> None:
    """Under xdist a whole file goes to one worker, where no other way was asked for: its tests share clients' runs."""
    if getattr(config.option, "dist", "") == "load":  # what ``-n`` alone has chosen by now
        config.option.dist = "loadfile"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a client, or a client and broker, named in words."""
    wrong = wrong_pattern(metafunc)
    if wrong:
        pytest.fail(wrong, pytrace=False)
    if not is_scenario(metafunc):
        return
    session = metafunc.config.stash[SESSION]
    topology = session.topology_of(metafunc)
    if topology is None:
        parametrize_without_topology(metafunc)
    else:
        amount = Amount(metafunc.config.getoption("--measure")) if session.target is None else Amount.FULL
        view_of = partial(session.view, metafunc)
        parametrize(metafunc, topology, view_of, combined=session.combined, amount=amount)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a scenario with the marker of its file's pattern, and with that of the lab where it runs there."""
    pattern = pattern_of(item)
    if pattern is not None:
        if item.config.stash[SESSION].target is None:
            item.add_marker("lab")
        item.add_marker(str(WITH_SCENARIOS[pattern].selected_by.name))  # a plain word: xdist sends no enum


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what fits no client, and what a target file cannot have: variants, patterns nobody uses; save lab starts."""
    session = config.stash[SESSION]
    patterns = None if session.target is None else {None, *(c.pattern for c in session.target.clients)}
    keep: list[pytest.Item] = []
    drop: list[pytest.Item] = []
    for item in items:
        in_target = patterns is None or (not lab_only(item) and pattern_of(item) in patterns)
        usable = not is_scenario(item) or (in_target and not fits_nobody(item))
        (keep if usable else drop).append(item)
    items[:] = keep if session.target is not None else by_brokers(keep, session.brokers)
    if drop:
        config.hook.pytest_deselected(items=drop)


def pytest_collection_finish(session: pytest.Session) -> None:
    """A target that no selected scenario fits is a mistake, not a success.

    Raises:
        pytest.UsageError: nothing would be probed.
    """
    state = session.config.stash[SESSION]
    if state.target is not None and not any(is_scenario(item) for item in session.items) and not state.worker:
        patterns = ", ".join(sorted({c.pattern or "observer" for c in state.target.clients}))
        raise pytest.UsageError(
            f"nothing to probe: no selected scenario fits the clients of {state.target_option}, "
            f"whose patterns are: {patterns}"
        )


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the lab when no test follows that uses it, so that it takes no memory from others."""
    labs = item.config.stash[SESSION].labs
    if labs is not None and "labs" not in getattr(nextitem, "fixturenames", ()):
        labs.close()


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
        sys.stderr.write(printable(f"\nbrokerproof: red beyond the selected tests: {', '.join(red)}\n"))
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
        sys.stderr.write(printable(f"\nbrokerproof: the history was not appended to: {problem}\n"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Close the journal, and refuse a green end that was not earned."""
    state = session.config.stash[SESSION]
    state.closing.close()
    red = red_outside_the_selection(state.runs)
    if exitstatus == pytest.ExitCode.OK and red:
        sys.stderr.write(printable(f"\nbrokerproof: red beyond the selected tests: {', '.join(red)}\n"))
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
                sys.stderr.write(printable(f"\nbrokerproof: the job's summary could not be written: {error}\n"))
            _append_to_history(state)
            _refuse_red_of_all(session, state.rendered.document)
            refuse_changes(session, state.rendered.document)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The run in words, and where its reports are."""
    state = config.stash[SESSION]
    if state.rendered is None:
        return
    terminalreporter.section("brokerproof")
    console = Console(file=terminalreporter._tw._file, width=terminalreporter._tw.fullwidth, highlight=False)  # noqa: SLF001
    where = [(what, _short(Path(path))) for what, path in state.rendered.named()]
    print_summary(state.rendered.document, console, reports=where, notes=state.rendered.notes)
    tell_changes(config, console)
