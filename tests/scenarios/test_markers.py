"""What each marker selects, by client and file, on the lab and on a target file. Nothing is run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from scenarios.plugin import MARKERS
from topology.edit import with_changes
from topology.files import dumps
from topology.models import ClientVantage, Topology, VantageKind
from topology.patterns import PATTERNS

ROOT = Path(__file__).parents[2]
_ID = re.compile(r"^scenarios/test_(?P<file>\w+)\.py::(?P<cls>\w+)::(?P<test>\w+)\[(?P<client>[a-z0-9]+)(-broker-\d+)?\]$")

Selected = dict[str, set[str]]
"""``file.client`` -> the tests selected for that client, of any class."""


def collect(*arguments: str) -> Selected:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run([*command, "scenarios"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in {0, 5}, done.stdout + done.stderr
    found: Selected = defaultdict(set)
    for line in done.stdout.splitlines():
        if line.startswith("scenarios/"):
            match = _ID.match(line)
            assert match, f"a test id that is not in words: {line}"
            found[f"{match['file']}.{match['client']}"].add(match["test"])
    return found


CONTRACT = {
    "test_name_resolves_to_the_intended_addresses",
    "test_every_address_connects",
    "test_certificate_is_valid_for_the_name",
    "test_kafka_answers",
    "test_is_advertised_as_the_pattern_needs",
    "test_is_the_broker_it_names",
    "test_leader_takes_records",
    "test_leader_gives_records_back",
    "test_bootstrap_connects",
    "test_metadata_is_of_one_cluster",
    "test_consumer_group_works",
}
CANARY = {
    "test_name_resolves_to_the_intended_addresses",
    "test_every_address_connects",
    "test_is_the_broker_it_names",
    "test_leader_takes_records",
    "test_leader_gives_records_back",
    "test_consumer_group_works",
}
PATH = {"test_comes_by_its_own_path"}
ISOLATION = {"test_nothing_else_answers", "test_addresses_without_a_target_do_not_connect"}
MEASURED = {"test_latency_is_measured", "test_throughput_is_measured"}
OBSERVER = {"test_reaches_nothing_it_must_not"}
EVERYTHING = CONTRACT | PATH | ISOLATION | MEASURED
