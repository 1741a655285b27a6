"""Many clients with a stub probe: how long, how much memory, and whether those that did not run are named.

The controller is the command itself, as a process of its own; its memory is read off /proc while it works. The stub is
the function's own handler with a vantage that knows what a client would see.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from brokerproof.fleet.far.handler import Handler, HandlerError
from brokerproof.fleet.far.objects import ByRole
from brokerproof.fleet.hub import MachineHub
from brokerproof.reports.document import decode_document
from brokerproof.topology.files import dumps
from brokerproof.topology.models import Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import PATTERNS
from tests.fleet.offline.deployment import HUB_ACCOUNT, deploy_hub
from tests.fleet.offline.emulator import REGION, ROOT, Emulator, running
from tests.fleet.offline.of_lab import in_one_place
from tests.fleet.probes import Context, Scripted

AT_ONCE: Final = 20
HANGS_S: Final = 15
"""Until the engine gives an item up; a real one has minutes."""
DEAD: Final = 10
HANGING: Final = 100
"""One client in so many."""


def main(clients: int) -> int:
    """0 where all that ran is told, and all that did not by name."""
    topology = many(clients)
    names = [client.name for client in topology.clients]
    hanging = set(names[::HANGING])
    dead = {name for number, name in enumerate(names) if number % DEAD == 1}
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="scale-") as name:
        folder = Path(name)
        with running(folder / "ministack.log", HUB_ACCOUNT) as emulator:
            stub = Stub(emulator, topology, dead, hanging)
            try:
                hub = deploy_hub(emulator, at_once=AT_ONCE, item_timeout_s=HANGS_S)
                make_functions(emulator, names, stub.url)
                took_s, code, said, memory = _run(topology, emulator, hub, folder)
            finally:
                stub.close()
            emulator_mb = emulator.memory_mb()
        document = decode_document((folder / "run/result.json").read_bytes())
    not_run = {c.view.client for c in document.clients if c.vantage_error.startswith("did not run")}
    passed = {c.view.client for c in document.clients if not c.vantage_error and c.outcomes}
    right = not_run == dead | hanging and passed == set(names) - not_run and code == 3
    told = {
        "clients": clients,
        "dead": len(dead),
        "hanging": len(hanging),
        "did_not_run": len(not_run),
        "engine_s": took_s,
        "exit_code": code,
        "controller_mb": memory,
        "emulator_mb": round(emulator_mb),
        "all_named": right,
    }
    print(said)
    print(json.dumps(told, indent=2))
    return 0 if right else 1


def many(clients: int) -> Topology:
    """A cluster with so many clients of one VPC."""
    topology = in_one_place(PATTERNS["peering"].build())
    one = next(client for client in topology.clients if client.pattern is PatternName.PEERING)
    made = tuple(
        one.model_copy(update={"name": f"app-{number:04}", "private_ip_address": None, "witness_port": None})
        for number in range(clients)
    )
    return topology.model_copy(update={"clients": made})


class Stub:
    """Every client's function: the handler, a dead one, or one that hangs."""

    def __init__(self, emulator: Emulator, topology: Topology, dead: set[str], hanging: set[str]) -> None:
        handler = Handler(Scripted(topology), ByRole(emulator.client("s3", HUB_ACCOUNT)))
        ended = self._ended = threading.Event()

        class Asked(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                client = event["item"]["client"]
                if client in hanging:
                    ended.wait(10 * HANGS_S)
                status, body = 200, b"{}"
                if client in dead | hanging:
                    status, body = 500, b'{"errorType": "Runtime.ExitError", "errorMessage": "killed"}'
                else:
                    try:
                        body = json.dumps(handler(event, Context())).encode()
                    except HandlerError as why:
                        status, body = 500, str(why).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


def make_functions(emulator: Emulator, names: list[str], url: str, region: str = REGION) -> None:
    functions = emulator.client("lambda", HUB_ACCOUNT, region)
    empty = b"PK\x05\x06" + bytes(18)
    for name in names:
        functions.create_function(
            FunctionName=f"brokerproof-probe-{name}",
            Runtime="python3.12",
            Role=f"arn:aws:iam::{HUB_ACCOUNT}:role/brokerproof-probe-{name}",
            Handler="x.y",
            Code={"ZipFile": empty},
            Timeout=10 * HANGS_S,
            Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": url}},
        )


def _run(
    topology: Topology, emulator: Emulator, hub: MachineHub, folder: Path
) -> tuple[dict[str, float], int, str, dict[str, float]]:
    """The command; how long its steps took, how it ended, what it said, and its memory by how far it was."""
    target = folder / "target.yaml"
    target.write_text(dumps(topology), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("brokerproof")), "fleet", "run", str(target)]
    command += ["--state-machine", hub.state_machine, "--bucket", hub.bucket, "--run-dir", str(folder / "run")]
    memory: dict[str, float] = {}
    began = time.monotonic()
    steps: dict[str, float] = {}
    with (folder / "said").open("w+b") as said:
        process = subprocess.Popen(
            command, env={**os.environ, **emulator.environment(HUB_ACCOUNT)}, stdout=said, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            time.sleep(0.5)
            now = time.monotonic() - began
            answered = _answered(folder / "run")
            memory[f"{now:.0f} s, {answered} collected"] = _resident_mb(process.pid)
            text = (folder / "said").read_text(errors="replace")
            for mark, step in (("at a time", "written_s"), ("clients ran", "collected_s")):
                if mark in text and step not in steps:
                    steps[step] = round(now, 1)
        steps["reported_s"] = round(time.monotonic() - began, 1)
        text = (folder / "said").read_text(errors="replace")
    kept = list(memory.items())
    some = dict(kept[:: max(1, len(kept) // 12)])
    lines = [line for line in text.splitlines() if "clients" in line or "did not run" in line or "at a time" in line]
    return steps, process.returncode, "\n".join(line[:300] for line in lines[:20]), some


def _answered(run_dir: Path) -> int:
    try:
        return (run_dir / "journal/run.jsonl").read_bytes().count(b'"event":"judged"')
    except OSError:
        return 0


def _resident_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    except OSError:
        return 0
    return round(int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
