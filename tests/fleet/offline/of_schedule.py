"""A hub whose own schedule starts a published set: nobody starts it from here, and it is collected afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from brokerproof.reports.document import decode_document
from brokerproof.topology.files import dumps
from tests.fleet.offline.deployment import HUB_ACCOUNT, deploy_hub
from tests.fleet.offline.emulator import ROOT, running
from tests.fleet.offline.of_scale import AT_ONCE, HANGS_S, Stub, make_functions, many

WITHIN_S: Final = 150


def main() -> int:
    """0 where the schedule ran the set, and every client of it is told."""
    topology = many(5)
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="schedule-") as name:
        folder = Path(name)
        target = folder / "target.yaml"
        target.write_text(dumps(topology), encoding="utf-8")
        with running(folder / "ministack.log", HUB_ACCOUNT) as emulator:
            stub = Stub(emulator, topology, set(), set())
            try:
                hub = deploy_hub(emulator, at_once=AT_ONCE, item_timeout_s=HANGS_S, schedule="rate(1 minute)")
                make_functions(emulator, [client.name for client in topology.clients], stub.url)
                where = ["--state-machine", hub.state_machine, "--bucket", hub.bucket]
                environment = {**os.environ, **emulator.environment(HUB_ACCOUNT)}
                fleet = [str(Path(sys.executable).with_name("brokerproof")), "fleet"]
                subprocess.run(
                    [*fleet, "publish", str(target), "scheduled", "--at-once", str(AT_ONCE), *where],
                    env=environment,
                    check=True,
                )
                began = time.monotonic()
                while True:
                    status = subprocess.run([*fleet, "status", "scheduled", *where], env=environment, check=False)
                    if status.returncode == 0 or time.monotonic() - began > WITHIN_S:
                        break
                    time.sleep(5)
                done = subprocess.run(
                    [*fleet, "collect", "scheduled", "--run-dir", str(folder / "run"), *where],
                    env=environment,
                    check=False,
                    stdout=subprocess.DEVNULL,
                )
            finally:
                stub.close()
        document = decode_document((folder / "run/result.json").read_bytes())
    passed = {client.view.client for client in document.clients if client.outcomes and not client.vantage_error}
    print(f"by the schedule: run {document.run.run_id}, {len(passed)} clients told, exit code {done.returncode}")
    return 0 if len(passed) == len(topology.clients) and done.returncode == 0 else 1
