"""The lab's clients through the engine, beside the same lab's clients by a local run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from brokerproof.fleet.bundle import HANDLER, MACHINES, function_bundle
from brokerproof.fleet.far.values import VERSION, Invocation, ItemResult, decode_result, encode, result_key
from brokerproof.fleet.hub import MachineHub
from brokerproof.fleet.items import make_set
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import decode_plan
from brokerproof.reports.document import ResultDocument, Run, decode_document
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.journal import Journal
from brokerproof.reports.merge import merge
from brokerproof.running.site import Site, lab_vantage
from brokerproof.topology.files import checked, dumps
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.bundle import this_platform
from tests.fleet.offline.deployment import HUB_ACCOUNT, deploy_hub, deploy_probes
from tests.fleet.offline.emulator import REGION, ROOT, Emulator, install, running
from tests.fleet.offline.executor import Executor, Function
from tests.installed.oci_layout import unpacked
from tools.image import Of, make

AT_ONCE: Final = 2
TURNS: Final = 7
MEMORY_MB: Final = "1024"
DEBS: Final = Path.home() / ".cache" / "brokerproof" / "debs"


def main(pattern: str, fault: str, *, image: bool = False) -> int:
    """0 where both runs say the same; ``image`` has the functions run from their image instead of their zip."""
    intended = in_one_place(PATTERNS[pattern].build())
    install()
    with fleet_in_lab(intended, image=image) as (lab, emulator, hub, folder, functions):
        if fault:
            lab.apply(FAULTS[fault].edit(intended))
        began = time.monotonic()
        local = locally(intended, lab, folder / "local")
        local_s = time.monotonic() - began
        code, first = by_fleet(intended, emulator, hub, folder / "cold")
        by_fleet(intended, emulator, hub, folder / "warm")
        beside = side_by_side(intended, lab, emulator, hub, functions)
        results = list(objects(emulator, hub))
        inits_ms = sorted(each for function in functions for each in function.inits_ms)
    same = told(first) == told(local)
    print(json.dumps({**figures(results, local, local_s, inits_ms), **beside}, indent=2))
    for line in sorted(told(first) ^ told(local)):
        print("differs:", line)
    print(f"{pattern} {fault or 'as it is'}: exit code {code}; the fleet and the local run say the same: {same}")
    return 0 if same else 1


@contextmanager
def fleet_in_lab(
    intended: Topology, *, image: bool = False
) -> Iterator[tuple[Lab, Emulator, MachineHub, Path, list[Function]]]:
    """A lab, and a hub whose functions stand in its client VPCs."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="fleet-") as name:
        folder = Path(name)
        platform = this_platform()
        architecture = next(each for each, machine in MACHINES.items() if machine == platform.machine)
        bundle = function_bundle(architecture, platform.python)
        if image:
            make(folder / "layout", cache=DEBS, machine=platform.machine, of=Of.FUNCTION, at_once=True)
            unpacked(folder / "layout", folder / "task")
        else:
            with zipfile.ZipFile(bundle.path) as archive:
                archive.extractall(folder / "task")
        with running(folder / "ministack.log", HUB_ACCOUNT) as emulator, Lab.start(intended) as lab:
            functions = [
                Function(
                    client.name,
                    lab.command_prefix(client.name),
                    task=folder / "task",
                    handler=HANDLER,
                    sockets=folder,
                    s3=("127.0.0.1", emulator.port),
                    environment={
                        **emulator.environment(HUB_ACCOUNT),
                        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": MEMORY_MB,
                        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                    },
                    image=image,
                )
                for client in intended.clients
            ]
            executor = Executor({function.name: function for function in functions})
            try:
                hub = deploy_hub(emulator, at_once=AT_ONCE, item_timeout_s=120)
                urls = {client.name: executor.url_of(client.name) for client in intended.clients}
                deploy_probes(emulator, hub, intended, None if image else bundle.path, urls)
                yield lab, emulator, hub, folder, functions
            finally:
                executor.close()


def in_one_place(topology: Topology) -> Topology:
    """The topology with the clients of the hub's Region, and all VPCs of one account.

    ministack 1.5.33 assumes no role for a task, and refuses a function of another account.
    """
    here = {vpc.vpc_id for vpc in topology.vpcs if vpc.region_name == REGION}
    clients = tuple(client for client in topology.clients if client.vpc_id in here)
    vpcs = tuple(vpc.model_copy(update={"owner_id": HUB_ACCOUNT}) for vpc in topology.vpcs)
    return checked(topology.model_copy(update={"clients": clients, "vpcs": vpcs}))


def locally(intended: Topology, lab: Lab, run_dir: Path) -> ResultDocument:
    """The same clients by vantages of this machine."""
    about = Run(run_id="local", target=intended.name, tool=describe_tool(), host=describe_host())
    with (
        Journal.open(run_dir, about) as journal,
        Site(intended, lab=lab, journal=journal) as site,
    ):
        site.verify([client.name for client in intended.clients])
        journal.finish_run()
    return merge(run_dir)


def by_fleet(intended: Topology, emulator: Emulator, hub: MachineHub, run_dir: Path) -> tuple[int, ResultDocument]:
    """The command itself, as a process of its own."""
    target = run_dir.with_suffix(".yaml")
    target.write_text(dumps(intended), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("brokerproof")), "fleet", "run", str(target)]
    command += ["--state-machine", hub.state_machine, "--bucket", hub.bucket, "--run-dir", str(run_dir)]
    done = subprocess.run(command, env={**os.environ, **emulator.environment(HUB_ACCOUNT)}, check=False)
    return done.returncode, decode_document((run_dir / "result.json").read_bytes())


def objects(emulator: Emulator, hub: MachineHub) -> Iterator[ItemResult]:
    """Every object that the functions left."""
    s3 = emulator.client("s3", HUB_ACCOUNT)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=hub.bucket):
        for each in page.get("Contents", ()):
            if "/runs/" in each["Key"]:
                yield decode_result(s3.get_object(Bucket=hub.bucket, Key=each["Key"])["Body"].read())


def side_by_side(
    intended: Topology, lab: Lab, emulator: Emulator, hub: MachineHub, functions: list[Function]
) -> dict[str, float]:
    """One plan in turns, by a warm function and by a warm vantage: medians in ms, their ratio, and the memory there."""
    client = next(client for client in intended.clients if client.pattern is not None)
    function = next(each for each in functions if each.name == client.name)
    s3 = emulator.client("s3", HUB_ACCOUNT)
    made = make_set(hub, "turns", intended, hub.reach)
    item = next(each for each in made.set.items if each.client == client.name)
    s3.put_object(Bucket=hub.bucket, Key=item.plan_key, Body=made.plans[client.name])
    there: list[float] = []
    here: list[float] = []
    with lab_vantage(lab, client.name) as vantage:
        for turn in range(TURNS + 1):
            asked = Invocation(
                version=VERSION, bucket=hub.bucket, prefix=hub.prefix, set="turns", run=str(turn), item=item
            )
            function.invoke(encode(asked), item.resource, 120)
            key = result_key(hub.prefix, "turns", str(turn), client.name)
            result = decode_result(s3.get_object(Bucket=hub.bucket, Key=key)["Body"].read())
            closing = vantage.run(decode_plan(made.plans[client.name])).closing
            if turn and result.said.closing is not None and closing is not None:  # the first warms both up
                there.append(result.said.closing.duration_ns / 1e6)
                here.append(closing.duration_ns / 1e6)
    in_function, in_vantage = statistics.median(there), statistics.median(here)
    return {
        "turns": len(there),
        "in_function_ms": round(in_function),
        "in_vantage_ms": round(in_vantage),
        "ratio": round(in_function / in_vantage, 3),
        "function_mb": function.memory_mb(),
    }


def told(document: ResultDocument) -> set[str]:
    """What a document says of paths, without times: every check's verdict, and every finding."""
    checks = {
        f"{client.name} {check.check_id} {check.verdict}" for client in document.clients for check in client.checks
    }
    findings = {
        f"{','.join(finding.codes)} at {finding.stage} of {','.join(sorted(finding.clients))}"
        for each in document.diagnoses
        for finding in each.diagnosis.findings
    }
    return checks | findings


def figures(
    results: list[ItemResult], local: ResultDocument, local_s: float, inits_ms: list[int]
) -> dict[str, float | int | list[int]]:
    """Times of the functions, and of the probe in them beside the same plans by a local vantage."""
    probed_ms = [c.closing.duration_ns / 1e6 for c in local.clients if c.closing is not None]
    there_ms = [r.said.closing.duration_ns / 1e6 for r in results if r.said.closing is not None]
    return {
        "inits_ms": inits_ms,
        "cold_took_ms": sorted(r.took_ms for r in results if r.place.earlier_runs == 0),
        "warm_took_ms": sorted(r.took_ms for r in results if r.place.earlier_runs > 0),
        "plan_in_function_mean_ms": round(sum(there_ms) / max(1, len(there_ms))),
        "plan_locally_mean_ms": round(sum(probed_ms) / max(1, len(probed_ms))),
        "local_run_s": round(local_s, 1),
    }
