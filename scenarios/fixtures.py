"""The fixtures: a client's run, for the scenarios here and for tests of one's own.

``client_run`` and ``client_runs`` are for one's own tests (docs/own-tests.md), the others for the scenarios.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from brokerproof.lab.errors import LabError
from brokerproof.running.client_runs import ClientRuns
from brokerproof.running.lab_pool import LabPool
from brokerproof.running.planning import ClientRun
from brokerproof.running.site import Site
from brokerproof.scenarios.selection import (
    NOTHING_TO_PROBE,
    asks_for_isolation,
    client_of,
    clients_of,
    clients_within,
    is_scenario,
    same_class,
)
from brokerproof.scenarios.session import SESSION
from brokerproof.wording import printable


@pytest.fixture(scope="session")
def labs(request: pytest.FixtureRequest) -> Iterator[LabPool]:
    """The lab of this process, as whatever topology is asked for; it ends with the last test that uses it."""
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def progress(text: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.write_line(text)

    session = request.config.stash[SESSION]
    session.labs = LabPool(progress)
    yield session.labs
    session.labs.close()


@contextmanager
def _site(request: pytest.FixtureRequest, labs: LabPool) -> Iterator[Site]:
    session = request.config.stash[SESSION]
    if session.target is not None:
        yield session.target_site
        return
    topology = session.topology_of(request)
    if topology is None:
        pytest.skip(NOTHING_TO_PROBE)
    try:
        lab = labs.lab(topology)
    except LabError as error:
        pytest.fail(printable(str(error)), pytrace=False)
    with session.site(request, topology, lab) as opened:
        yield opened


@pytest.fixture(scope="class")
def site(request: pytest.FixtureRequest, labs: LabPool) -> Iterator[Site]:
    """This class's topology with its clients reachable, in the lab or where the target file says."""
    with _site(request, labs) as opened:
        yield opened


@pytest.fixture(scope="module")
def module_site(request: pytest.FixtureRequest, labs: LabPool) -> Iterator[Site]:
    """This module's topology with its clients reachable, in the lab or where the target file says."""
    with _site(request, labs) as opened:
        yield opened


@contextmanager
def _on_screen(request: pytest.FixtureRequest) -> Iterator[None]:
    """Show on a terminal how far the clients' runs are, below pytest's own lines, and take it away."""
    screen = request.config.stash[SESSION].screen
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if reporter is None or capture is None:
        yield
        return
    screen.opening = reporter.ensure_newline
    with capture.global_and_fixture_disabled(), screen:
        yield


def _run(request: pytest.FixtureRequest, site: Site, name: str, beside: Sequence[str] = ()) -> ClientRun:
    """A client's run; with it those of the others that are verified alone: of ``beside``, and of the same class."""
    session = request.config.stash[SESSION]
    items = [item for item in request.session.items if is_scenario(item)]
    mine = [item for item in items if same_class(item, request)]
    # Of a target each client is run once, whoever asks first.
    sharing = mine if session.target is None else items
    measured = {client_of(item) for item in sharing if item.get_closest_marker("performance") is not None}
    isolated = {client_of(item) for item in sharing if asks_for_isolation(item)}
    with _on_screen(request):
        if not {name, None} & measured:
            # Those that are measured have the lab for themselves.
            others = dict.fromkeys([*map(client_of, mine), *beside])
            named = [each for each in others if each and each not in measured]
            site.verify(named, apart_from_isolation=[each for each in named if not {each, None} & isolated])
        run = site.run(name, measure=bool({name, None} & measured), isolation=bool({name, None} & isolated))
    if run not in session.runs:
        session.runs.append(run)
    return run


@pytest.fixture(scope="class")
def run(request: pytest.FixtureRequest, site: Site) -> ClientRun:
    """One client's run, made once a class."""
    return _run(request, site, request.param)


@pytest.fixture(scope="class")
def observer(request: pytest.FixtureRequest, site: Site) -> ClientRun:
    """The run of a client that must reach nothing."""
    return _run(request, site, request.param)


@pytest.fixture(scope="module")
def client_run(request: pytest.FixtureRequest, module_site: Site) -> ClientRun:
    """The run of one client: its outcomes, checks and findings. The test runs once for each client."""
    return _run(request, module_site, request.param)


@pytest.fixture(scope="module")
def client_runs(request: pytest.FixtureRequest, module_site: Site) -> ClientRuns:
    """The runs of all clients, by their names, and what is wrong by all of them together."""
    names = [client.name for client in clients_within(module_site.topology, clients_of(request))]
    return ClientRuns({name: _run(request, module_site, name, beside=names) for name in names})
