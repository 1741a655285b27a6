"""One pytest process of a run: its target, its run directory, its journal, and what its clients' runs said."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Hashable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from brokerproof.aws.audit.values import Audit
from brokerproof.lab.daemons.kafka_dist import wanted_version
from brokerproof.lab.errors import LabError
from brokerproof.lab.life.handle import Lab
from brokerproof.reports.document import Run
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.journal import OWNER, RESULTS, Journal, refuse_used
from brokerproof.reports.render import Rendered
from brokerproof.running.account import load_target_or_account, target_name
from brokerproof.running.lab_pool import LabPool, brokers_of
from brokerproof.running.planning import ClientRun
from brokerproof.running.screen import Screen
from brokerproof.running.site import LAB, Site
from brokerproof.scenarios.selection import label, options_of, pattern_of
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import Client, Cluster, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions


def _from_elsewhere(client: Client, cluster: Cluster) -> bool:
    return client.cluster_name == cluster.cluster_name and client.vpc_id != cluster.vpc_id


def _told(progress: str) -> None:
    """What reading an account has come to, for who waits."""
    print(f"  {progress}", file=sys.stderr, flush=True)  # noqa: T201 - pytest's own output has not begun


class ScenarioSession:
    """What one pytest process knows of the run it belongs to.

    Raises:
        TopologyError: the target file is wrong.
        TargetError: a client of the target cannot be probed outside the lab.
        JournalError: the run directory holds a run already.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        shared: dict[str, Any] = getattr(config, "workerinput", {})
        self.worker = str(shared.get("workerid", ""))
        self.run_id = shared.get("run_id") or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        base = config.getoption("--run-dir")
        self.run_dir = Path(shared.get("run_dir") or (base or RESULTS / self.run_id)).resolve()
        self.target_option = str(config.getoption("--target"))
        self.target: Topology | None = None
        self.audit: Audit | None = None
        if self.target_option != LAB:
            self.target, self.audit = load_target_or_account(Path(self.target_option), _told)
        self.runs: list[ClientRun] = []
        self.workers: set[str] = set()
        self.writers: set[str] = set()
        self.rendered: Rendered | None = None
        self.labs: LabPool | None = None
        self.screen: Final = Screen()
        self.closing: Final = ExitStack()
        self._journal: Journal | None = None
        self._target_site: Site | None = None
        self._built: dict[tuple[str, str], Topology] = {}
        self._views: dict[tuple[str, str, str], ClientView | None] = {}
        if not self.worker:
            refuse_used(self.run_dir)

    @property
    def combined(self) -> bool:
        """Whether clients of the target reach one cluster from elsewhere by several patterns."""
        return self.target is not None and any(
            len({c.pattern for c in self.target.clients if c.pattern and _from_elsewhere(c, cluster)}) > 1
            for cluster in self.target.clusters
        )

    @property
    def journal(self) -> Journal:
        """This process's journal; the run directory is made when the first scenario runs."""
        if self._journal is None:
            about = Run(
                run_id=self.run_id,
                target=target_name(self.target_option),
                tool=describe_tool(),
                host=describe_host(),
            )
            self._journal = Journal.open(self.run_dir, about, writer=self.worker or OWNER)
        return self._journal

    @property
    def opened(self) -> bool:
        """Whether anything was written."""
        return self._journal is not None

    def topology(self, pattern: str | None, options: PatternOptions | None) -> Topology | None:
        """The target's topology, or what the pattern's builder makes; None where neither is given."""
        if self.target is not None or pattern not in PATTERNS:
            return self.target
        options = (options or PatternOptions()).model_copy(update={"kafka_version": wanted_version(os.environ)})
        key = (pattern, options.model_dump_json())
        if key not in self._built:  # asked for once a test
            self._built[key] = PATTERNS[pattern].build(options)
        return self._built[key]

    def topology_of(self, node: Any) -> Topology | None:
        """The topology that a test, class or module is about."""
        return self.topology(pattern_of(node), options_of(node))

    def view(self, node: Any, client: str) -> ClientView | None:
        """A client's view; None where the topology cannot carry its pattern, which is for its tests to say."""
        options, topology = options_of(node), self.topology_of(node)
        key = (pattern_of(node) or "", "" if options is None else options.model_dump_json(), client)
        if key not in self._views:
            try:
                self._views[key] = None if topology is None else expect(topology, client)
            except TopologyError:
                self._views[key] = None
        return self._views[key]

    def brokers(self, pattern: str) -> Hashable:
        """What tells patterns apart that cannot share a lab; one that cannot be built is told when it is asked for."""
        topology = self.topology(pattern, None)
        try:
            return pattern if topology is None else brokers_of(topology)
        except LabError:
            return pattern

    def site(self, node: Any, topology: Topology, lab: Lab | None) -> Site:
        """The topology with its clients reachable: in this lab, or without one where the target file says."""
        return Site(
            topology,
            lab=lab,
            journal=self.journal,
            label=(lambda _: "") if lab is None else (lambda client: label(node, client)),
            limits=self.config.getoption("--verdict-within"),
            idle_hold_ms=self.config.getoption("--idle-hold"),
            load=self.config.getoption("--load"),
            amount=self.config.getoption("--measure"),
            audit=self.audit if lab is None else None,
            onlooker=self.screen,
        )

    @property
    def target_site(self) -> Site:
        """The target's clients, each of which is run once a process, whoever asks for it."""
        if self.target is None:
            raise AssertionError("the lab has a site a class")
        if self._target_site is None:
            self._target_site = self.closing.enter_context(self.site(None, self.target, None))
        return self._target_site


SESSION: Final = pytest.StashKey[ScenarioSession]()
