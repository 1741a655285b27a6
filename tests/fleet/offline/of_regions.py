"""One run over two Regions' hubs: each Region's clients by its own engine, one dead, and all told as one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from brokerproof.fleet.hub import MachineHub
from brokerproof.reports.document import decode_document
from brokerproof.topology.files import checked, dumps
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from tests.fleet.offline.deployment import BUCKET, HUB_ACCOUNT, deploy_hub
from tests.fleet.offline.emulator import ROOT, Emulator, running
from tests.fleet.offline.of_scale import AT_ONCE, HANGS_S, Stub, make_functions

REGIONS: Final = ("us-east-1", "us-west-2")


def main() -> int:
    """0 where every client of both Regions is told, the dead one by name and by what its own Region's engine says."""
    topology = in_one_account(PATTERNS["transit_gateway"].build())
    region_of = {client.name: topology.vpc(client.vpc_id).region_name for client in topology.clients}
    dead = next(name for name, region in region_of.items() if region == REGIONS[1])
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="regions-") as name:
        folder = Path(name)
        target = folder / "target.yaml"
        target.write_text(dumps(topology), encoding="utf-8")
        with running(folder / "ministack.log", HUB_ACCOUNT) as emulator:
            stub = Stub(emulator, topology, {dead}, set())
            try:
                hubs = [deployed(emulator, region, region_of, stub.url) for region in REGIONS]
                words = [
                    word for hub in hubs for word in ("--state-machine", hub.state_machine, "--bucket", hub.bucket)
                ]
                command = [str(Path(sys.executable).with_name("brokerproof")), "fleet", "run", str(target)]
                done = subprocess.run(
                    [*command, *words, "--run-dir", str(folder / "run")],
                    env={**os.environ, **emulator.environment(HUB_ACCOUNT)},
                    check=False,
                    capture_output=True,
                    text=True,
                )
                kept = {hub.region_name: objects(emulator, hub) for hub in hubs}
            finally:
                stub.close()
        document = decode_document((folder / "run/result.json").read_bytes())
    errors = {client.view.client: client.vantage_error for client in document.clients}
    ran = {region: {n for n, own in region_of.items() if own == region and n != dead} for region in REGIONS}
    told = {
        "exit_code": done.returncode,
        "errors": errors,
        "objects": {region: sorted(names) for region, names in kept.items()},
    }
    print(done.stderr[-1500:])
    print(json.dumps(told, indent=2))
    right = (
        done.returncode == 3
        and set(errors) == set(region_of)
        and {n for n, error in errors.items() if error} == {dead}
        and errors[dead].startswith("did not run: ")
        and kept == ran
    )
    print(f"two Regions: every client is told, and {dead} did not run: {right}")
    return 0 if right else 1


def in_one_account(topology: Topology) -> Topology:
    """ministack 1.5.33 assumes no role for a task, and refuses a function of another account."""
    vpcs = tuple(vpc.model_copy(update={"owner_id": HUB_ACCOUNT}) for vpc in topology.vpcs)
    return checked(topology.model_copy(update={"vpcs": vpcs}))


def deployed(emulator: Emulator, region: str, region_of: dict[str, str], url: str) -> MachineHub:
    """A Region's hub, and the functions of its clients."""
    hub = deploy_hub(emulator, at_once=AT_ONCE, item_timeout_s=HANGS_S, region=region, bucket=f"{BUCKET}-{region}")
    make_functions(emulator, [name for name, own in region_of.items() if own == region], url, region)
    return hub


def objects(emulator: Emulator, hub: MachineHub) -> set[str]:
    """The clients whose objects a hub's bucket has."""
    pages = emulator.client("s3", HUB_ACCOUNT).get_paginator("list_objects_v2").paginate(Bucket=hub.bucket)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return {Path(key).stem for key in keys if "/runs/" in key and "_engine" not in key}
