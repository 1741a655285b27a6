"""How long discovery takes, and what memory, for one cluster with many client VPCs, each in an account of its own.

A topology answers boto3 in process, each call after a wait as long as AWS's. ``read_s`` is wall time, and tells little
on a machine that is at work: ``chain`` is the longest chain of calls that wait for each other, ``waits_s`` what these
wait, and ``read_cpu_s`` the processor time of discovery. Their sum is at most what it takes on a machine of its own.
Each row runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, TypeVar
from unittest.mock import patch

from brokerproof.aws.answers.hook import Account
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.discovery.reader import AT_ONCE, MOST_AT_ONCE, Ask, Read, Reader
from brokerproof.running.account import InProcess
from brokerproof.topology.files import checked
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import Overlap

T = TypeVar("T")
HOME = "111111111111"
CLIENTS = "222222222222"


def many(vpcs: int, *, accounts: bool) -> Topology:
    """A cluster behind a load balancer a broker, with this many client VPCs like the pattern's one."""
    one = PATTERNS["privatelink_multi_nlb"].build(PatternOptions(remote=False, overlap=Overlap.OFF))
    document = one.model_dump(mode="json")
    ours = {vpc.vpc_id for vpc in one.vpcs if vpc.owner_id != HOME}
    for collection in (
        "vpcs",
        "subnets",
        "route_tables",
        "security_groups",
        "vpc_endpoints",
        "hosted_zones",
        "clients",
    ):
        own = [item for item in document[collection] if ours & set(_words(item))]
        document[collection] = [item for item in document[collection] if item not in own]
        for number in range(vpcs):
            document[collection] += [_copy(item, number, accounts=accounts) for item in own]
    document["hosted_zones"] = [zone for zone in document["hosted_zones"] if zone["vpc_ids"]]
    return checked(Topology.model_validate(document))


def _words(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [word for part in value.values() for word in _words(part)]
    if isinstance(value, list):
        return [word for part in value for word in _words(part)]
    return [value] if isinstance(value, str) else []


_KEYS = {"vpc_id", "subnet_id", "subnet_ids", "route_table_id", "group_id", "security_groups", "vpc_endpoint_id"}
_KEYS |= {"hosted_zone_id", "vpc_ids", "name", "referenced_group_id", "endpoint_vpc_id"}


def _copy(item: dict[str, Any], number: int, *, accounts: bool) -> dict[str, Any]:
    """The item with ids of its own; endpoints' names too, which records point at."""
    copied: dict[str, Any] = {}
    for key, value in item.items():
        if key == "owner_id" and accounts:
            copied[key] = f"2{number:011}"
        elif key == "dns_name":
            copied[key] = f"n{number}.{value}"
        elif key in {"record_sets", "network_interfaces", "ingress", "egress"}:
            copied[key] = [_copy_part(part, number) for part in value]
        elif key == "name" and "domain" not in item and "hosted_zone_id" in item:
            copied[key] = value
        elif key in _KEYS and isinstance(value, str):
            copied[key] = f"{value}-{number}" if key != "name" else f"{value}_{number}"
        elif key in _KEYS and isinstance(value, list):
            copied[key] = [f"{one}-{number}" for one in value]
        else:
            copied[key] = value
    return copied


def _copy_part(part: dict[str, Any], number: int) -> dict[str, Any]:
    copied = dict(part)
    for key in ("subnet_id", "referenced_group_id"):
        if copied.get(key):
            copied[key] = f"{copied[key]}-{number}"
    if copied.get("alias_target"):
        copied["alias_target"] = {"dns_name": f"n{number}.{copied['alias_target']['dns_name']}"}
    return copied


class Slow(Account):
    """Answers after a wait."""

    def __init__(self, topology: Topology, wait_s: float) -> None:
        super().__init__(lambda: topology)
        self._wait_s = wait_s
        self._lock = Lock()
        self.cpu_s = 0.0
        """Processor time of answering, which is none of discovery's."""

    def answer(
        self, account: str, region: str, operation: tuple[str, str], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        time.sleep(self._wait_s)
        began = time.thread_time()
        try:
            return super().answer(account, region, operation, params)
        finally:
            with self._lock:
                self.cpu_s += time.thread_time() - began


_EVERY = Reader.every


def longest_chain(topology: Topology) -> int:
    """The longest chain of calls of which each waits for one before it; no load of the machine changes it.

    Calls that go out together are one link, or several where they are more than go out at a time. Here they go one by
    one, and what is done beside something begins where that does.
    """
    links = 0

    def every(reader: Reader, asks: Iterable[Ask]) -> list[Read]:
        nonlocal links
        wanted = list(asks)
        of_one = max(Counter(ask.place for ask in wanted).values(), default=0)
        links += max(math.ceil(len(wanted) / MOST_AT_ONCE), math.ceil(of_one / AT_ONCE))
        return _EVERY(reader, wanted)

    def beside(_: Reader, job: Callable[[], T]) -> Callable[[], T]:
        nonlocal links
        began = links
        done = job()
        ended, links = links, began

        def joined() -> T:
            nonlocal links
            links = max(links, ended)
            return done

        return joined

    sessions = InProcess()
    sessions.account = Account(lambda: topology)
    with patch.object(Reader, "every", every), patch.object(Reader, "beside", beside):
        discover(intent_of(topology), sessions, at_once=1)
    return links


def one_row(vpcs: int, wait_ms: float, *, accounts: bool) -> None:
    """Discover and audit once, and print the figures."""
    topology = many(vpcs, accounts=accounts)
    sessions = InProcess()
    slow = sessions.account = Slow(topology, wait_ms / 1000)
    intent = intent_of(topology)
    began, cpu = time.monotonic(), time.process_time()
    facts = discover(intent, sessions)
    read, read_cpu = time.monotonic() - began, time.process_time() - cpu
    began, cpu = time.monotonic(), time.process_time()
    found = audit(facts)
    peak_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
    audit_s, audit_cpu_s = time.monotonic() - began, time.process_time() - cpu
    chain = longest_chain(topology)
    told = {
        "client VPCs": vpcs,
        "accounts": len({vpc.owner_id for vpc in topology.vpcs}),
        "calls": len(slow.asked),
        "chain": chain,
        "read_s": round(read, 2),
        "waits_s": round(chain * wait_ms / 1000, 2),
        "read_cpu_s": round(read_cpu - slow.cpu_s, 2),
        "answering_cpu_s": round(slow.cpu_s, 2),
        "audit_s": round(audit_s, 2),
        "audit_cpu_s": round(audit_cpu_s, 2),
        "peak_mb": peak_mb,
        "paths": len(found.traces),
        "wrong": len(found.findings),
    }
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vpcs", type=int, nargs="*", default=[20, 300])
    parser.add_argument("--wait-ms", type=float, default=50.0, help="How long each call takes to be answered.")
    parser.add_argument("--one", choices=("apart", "together"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one_row(given.vpcs[0], given.wait_ms, accounts=given.one == "apart")
        return
    for vpcs in given.vpcs:
        for how in ("together", "apart"):
            own = ["--vpcs", str(vpcs), "--wait-ms", str(given.wait_ms), "--one", how]
            subprocess.run([sys.executable, "-m", "benchmarks.discovery_scale", *own], check=True)


if __name__ == "__main__":
    main()
