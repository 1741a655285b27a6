"""What each marker selects, by test id, on the lab and on target files. Nothing is probed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.check import Check, Subject
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import Stage
from brokerproof.running.lab_pool import brokers_of
from brokerproof.scenarios.plugin import MARKERS
from brokerproof.topology.edit import with_each
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import dumps
from brokerproof.topology.models import ClientVantage, Topology, VantageKind
from brokerproof.topology.patterns import PATTERNS, PatternOptions, spec_of

pytestmark = pytest.mark.installed

ROOT = Path(__file__).parents[2]

FILES = {name: spec.selected_by.name for name, spec in PATTERNS.items()}
"""The marker of each scenario file."""

CANARY = {
    "test_name_resolves_to_the_intended_addresses",
    "test_every_address_connects",
    "test_is_the_broker_it_names",
    "test_leader_takes_records",
    "test_leader_gives_records_back",
    "test_consumer_group_works",
}
MEASURED = {"test_latency_is_measured", "test_throughput_is_measured"}
ISOLATION = {
    "test_nothing_else_answers",
    "test_hides_no_other_name",
    "test_addresses_without_a_target_do_not_connect",
    "test_reaches_nothing_it_must_not",
    "test_the_advertised_ports_do_not_answer",
}

_ID = re.compile(
    r"^scenarios/test_(?P<file>\w+)\.py::(?P<cls>\w+)::(?P<test>\w+)\[(?P<client>[a-z0-9_]+)(-(?P<broker>broker-\d+))?\]$"
)
_COLLECT = """
import sys, pytest

class Dump:
    def pytest_collection_finish(self, session):
        for item in session.items:
            print("item", item.nodeid, *sorted({m.name for m in item.iter_markers()}))

sys.exit(pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", "scenarios", *sys.argv[1:]], plugins=[Dump()]))
"""


@dataclass(frozen=True)
class Item:
    """A collected test, taken apart."""

    node_id: str
    file: str
    cls: str
    name: str
    client: str
    broker: str
    markers: frozenset[str]


def collect(*arguments: str) -> list[Item]:
    command = [sys.executable, "-c", _COLLECT, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return list(_parsed(done.stdout))


def _parsed(text: str) -> Iterator[Item]:
    for line in text.splitlines():
        if line.startswith("item "):
            _, node_id, *markers = line.split()
            match = _ID.match(node_id)
            assert match, f"a test id that is not in words: {node_id}"
            yield Item(
                node_id,
                match["file"],
                match["cls"],
                match["test"],
                match["client"],
                match["broker"] or "",
                frozenset(markers),
            )


def where(topology: Topology, name: str) -> tuple[bool, bool]:
    """Whether a client is in another Region than the cluster, and whether it is in the cluster's VPC."""
    client = topology.client(name)
    home = topology.vpc(topology.cluster(client.cluster_name).vpc_id)
    return topology.vpc(client.vpc_id).region_name != home.region_name, client.vpc_id == home.vpc_id


def expected(topology_of: Callable[[Item], Topology]) -> dict[str, Callable[[Item], bool]]:
    """For each marker, whether a test must have it."""
    return {marker: lambda t, m=marker: FILES[t.file] == m for marker in set(FILES.values()) - {"combination"}} | {
        "cross_region": lambda t: where(topology_of(t), t.client)[0],
        "local_client": lambda t: (
            where(topology_of(t), t.client)[1]
            and topology_of(t).client(t.client).pattern is not None
            and not spec_of(topology_of(t).client(t.client).pattern).is_in_cluster_vpc
        ),
        "dual_stack": lambda t: topology_of(t).client(t.client).listener.endswith("_IPV6"),
        "isolation": lambda t: t.name in ISOLATION,
        "performance": lambda t: t.name in MEASURED,
        "canary": lambda t: t.name in CANARY,
        "acceptance": lambda t: t.name not in MEASURED,
    }


def assert_selected(tests: list[Item], rules: dict[str, Callable[[Item], bool]]) -> None:
    for marker, rule in rules.items():
        selected = {t.node_id for t in tests if marker in t.markers}
        assert selected == {t.node_id for t in tests if rule(t)}, marker


@pytest.fixture(scope="module")
def in_lab() -> list[Item]:
    return collect()


def as_target(topology: Topology, path: Path) -> str:
    vantage = ClientVantage(kind=VantageKind.EXEC, command=("ssh", "host", "--"), far_shell=True)
    path.write_text(dumps(with_each(topology, "clients", vantage=vantage)))
    return f"--target={path}"


def options(file: str, cls: str) -> PatternOptions | None:
    scenarios = importlib.import_module(f"brokerproof.scenarios.test_{file}")
    chosen: PatternOptions | None = getattr(getattr(scenarios, cls), "OPTIONS", None)
    return chosen


def test_in_the_lab_each_marker_selects_what_its_name_says(in_lab: list[Item]) -> None:
    classes = {(t.file, t.cls) for t in in_lab}
    built = {(file, cls): PATTERNS[file].build(options(file, cls)) for file, cls in classes}
    rules = expected(lambda t: built[t.file, t.cls])
    rules["combination"] = lambda t: t.file == "combination"
    assert_selected(in_lab, rules)
    for marker in {FILES[t.file] for t in in_lab} | {
        "cross_region",
        "dual_stack",
        "isolation",
        "performance",
        "canary",
        "acceptance",
    }:
        assert any(marker in t.markers for t in in_lab), f"{marker} selects nothing"
    assert set(rules) | {"lab"} <= set(MARKERS)


def _of(check: Check, broker: str) -> bool:
    return check.subject is Subject.BROKER and f"broker-{check.broker_id}" == broker


ABOUT: dict[str, Callable[[Check, str], bool]] = {
    "test_certificate_is_valid_for_the_name": lambda c, broker: c.stage is Stage.HANDSHAKE and _of(c, broker),
    "test_bootstrap_connects": lambda c, _: c.subject == "bootstrap" and not c.isolation,
    "test_hides_no_other_name": lambda c, _: c.check_id.startswith("isolation/hides-not"),
    "test_addresses_without_a_target_do_not_connect": lambda c, broker: c.isolation and _of(c, broker),
}
"""The checks that tests are about which not every client has."""


def test_a_test_is_there_for_just_those_who_have_what_it_is_about(in_lab: list[Item]) -> None:
    built = {(t.file, t.cls): PATTERNS[t.file].build(options(t.file, t.cls)) for t in in_lab}
    everywhere = [t for t in in_lab if t.name in {"test_kafka_answers", "test_metadata_is_of_one_cluster"}]
    clients = {(t.file, t.cls, t.client) for t in everywhere}
    expected_checks = {
        (file, cls, client): judge(expect(built[file, cls], client), RunOutcomes((), complete=True, error=""))
        for file, cls, client in clients
    }
    for name, is_about in ABOUT.items():
        of_a_broker = name in {t.name for t in in_lab if t.broker}
        wanted = {
            (t.file, t.cls, t.client, t.broker)
            for t in everywhere
            if bool(t.broker) is of_a_broker
            and any(is_about(check, t.broker) for check in expected_checks[t.file, t.cls, t.client])
        }
        assert {(t.file, t.cls, t.client, t.broker) for t in in_lab if t.name == name} == wanted != set(), name


def test_against_a_plaintext_listener_nothing_asks_for_certificates(tmp_path: Path) -> None:
    target = as_target(PATTERNS["in_vpc"].build(PatternOptions(plaintext=True)), tmp_path / "mine.yaml")
    tests = [t for t in collect(target) if t.name == "test_certificate_is_valid_for_the_name"]
    assert {t.client for t in tests} == {"cluster_vpc"}


def test_of_peered_clients_the_one_in_another_region_is_cross_region(in_lab: list[Item]) -> None:
    selected = {f"{t.file}.{t.client}" for t in in_lab if "cross_region" in t.markers}
    assert selected & {
        "in_vpc.cluster_vpc",
        "peering.peered",
        "peering.remote_by_peering",
        "peering.not_peered",
        "transit_gateway.remote_by_gateway",
        "transit_gateway.unrouted",
    } == {
        "peering.remote_by_peering",
        "transit_gateway.remote_by_gateway",
    }


def test_against_a_file_its_clients_decide(tmp_path: Path) -> None:
    topology = PATTERNS["peering"].build()
    tests = collect(as_target(topology, tmp_path / "mine.yaml"))
    rules = expected(lambda _: topology)
    rules["combination"] = lambda _: False
    assert_selected(tests, rules)
    assert {f"{t.file}.{t.client}" for t in tests if t.name in CANARY} == {
        "in_vpc.cluster_vpc",
        "peering.peered",
        "peering.remote_by_peering",
    }


def test_against_a_file_clients_of_an_ipv6_listener_are_dual_stack(tmp_path: Path) -> None:
    target = as_target(PATTERNS["peering"].build(PatternOptions(dual_stack=True)), tmp_path / "mine.yaml")
    tests = collect(target, "-m", "dual_stack and canary")
    assert {f"{t.file}.{t.client}" for t in tests} == {
        "in_vpc.cluster_vpc_ipv6",
        "peering.peered_ipv6",
        "peering.remote_by_peering_ipv6",
    }


def test_a_file_with_several_patterns_is_a_combination(tmp_path: Path) -> None:
    target = as_target(PATTERNS["combination"].build(), tmp_path / "mine.yaml")
    tests = collect(target, "-m", "combination and canary")
    assert {f"{t.file}.{t.client}" for t in tests} == {
        "in_vpc.cluster_vpc",
        "peering.peered",
        "transit_gateway.by_gateway",
        "transit_gateway.remote_by_gateway",
        "privatelink_multi_nlb.overlapping",
        "privatelink_multi_nlb.two_paths",
    }
    assert {t.name for t in tests} == CANARY


def test_a_marker_is_understood_on_the_command_line(in_lab: list[Item]) -> None:
    tests = collect("-m", "cross_region and not performance")
    wanted = [t for t in in_lab if "cross_region" in t.markers and "performance" not in t.markers]
    assert {t.node_id for t in tests} == {t.node_id for t in wanted}


def test_files_that_share_brokers_follow_one_another(in_lab: list[Item]) -> None:
    order = list(dict.fromkeys(t.file for t in in_lab))
    assert len(order) == len(
        [t for t, before in zip(in_lab, [None, *in_lab], strict=False) if not before or t.file != before.file]
    )
    brokers = {f: brokers_of(PATTERNS[f].build()) for f in order}
    shared = [f for f in order if brokers[f] == brokers["in_vpc"]]
    assert {"in_vpc", "peering", "transit_gateway", "privatelink_multi_nlb"} <= set(shared)
    assert "privatelink_single_nlb" not in shared
    first = order.index(shared[0])
    assert order[first : first + len(shared)] == shared


def test_the_patterns_of_privatelink_share_a_marker() -> None:
    assert {name for name, marker in FILES.items() if marker != name} == {
        name for name in PATTERNS if name.startswith("privatelink_")
    }
