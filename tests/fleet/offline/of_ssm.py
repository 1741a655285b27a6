"""The lab's clients by Run Command, beside the same lab's clients by a local run; and once with a dead instance.

SSM is a double behind boto3; what it sends is run for real, by sh inside the namespace of each client, which gets its
plan and the probe and leaves its object by links whose signatures are checked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

from click.testing import CliRunner

from brokerproof.cli.main import main as brokerproof
from brokerproof.fleet.far.values import ItemResult, decode_result
from brokerproof.fleet.hub import CommandHub, reached_by
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.reports.document import ResultDocument, decode_document
from brokerproof.topology.files import checked, dumps
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from tests.fleet.aws import BUCKET
from tests.fleet.link_bucket import serving
from tests.fleet.offline.emulator import REGION, ROOT
from tests.fleet.offline.executor import forwarding_to, unix_server
from tests.fleet.offline.of_lab import locally, told
from tests.fleet.ssm import FleetSsm, Instance

SECRET: Final = "none"
"""Of the keys that the double's sessions have."""
_SCRIPT_S: Final = 300


def main(pattern: str, fault: str) -> int:
    """0 where both runs say the same, and one with a dead instance names it and tells all others as they are."""
    whole = PATTERNS[pattern].build()
    intended = checked(reached_by((CommandHub(REGION, BUCKET),), whole))
    (ROOT / "build").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="ssm-") as name,
        Lab.start(intended) as lab,
        instances_in(lab, intended, Path(name)) as aws,
    ):
        folder = Path(name)
        if fault:
            lab.apply(FAULTS[fault].edit(intended))
        local = locally(intended, lab, folder / "local")
        code, first = by_fleet(intended, aws, folder / "first")
        by_fleet(intended, aws, folder / "again")
        results = [decode_result(body) for key, body in aws.objects.items() if _is_result(key)]
        dead = intended.clients[-1].name
        aws.instances[instance_of(dead)].ping = "ConnectionLost"
        dead_code, second = by_fleet(intended, aws, folder / "dead")
    errors = {client.view.client: client.vantage_error for client in second.clients}
    others = {line for line in checks(local) if not line.startswith(dead)}
    same = told(first) == told(local)
    named = errors.pop(dead).startswith("did not run: SSM's agent at") and set(errors.values()) == {""}
    rest = {line for line in checks(second) if not line.startswith(dead)} == others
    print(json.dumps(figures(results), indent=2))
    for line in sorted(told(first) ^ told(local)):
        print("differs:", line)
    print(f"{pattern} {fault or 'as it is'}: exit code {code}; the fleet and the local run say the same: {same}")
    print(f"with {dead} dead: exit code {dead_code}; it is named: {named}; the others are told as they are: {rest}")
    return 0 if same and named and rest and dead_code == (1 if fault else 3) else 1


def instance_of(client: str) -> str:
    return f"i-0{client.encode().hex()}"


@contextmanager
def instances_in(lab: Lab, intended: Topology, folder: Path) -> Iterator[FleetSsm]:
    """An instance in each client's namespace, and a bucket that all reach by links."""
    instances = {
        instance_of(client.name): Instance(intended.vpc(client.vpc_id).owner_id, client.name)
        for client in intended.clients
    }
    aws = FleetSsm(instances, lambda _instance, _script: (1, ""))
    with serving(aws.objects, SECRET) as bucket:
        way = unix_server(folder / "s3", forwarding_to(("127.0.0.1", bucket.port)))
        aws.carries = agent(lab, {each: instances[each].client for each in instances}, folder, bucket.port)
        session = aws.session("sender")
        try:
            with (
                patch("brokerproof.cli.fleet_session.boto3_session", lambda _region: session),
                patch.dict(os.environ, {"AWS_ENDPOINT_URL_S3": bucket.url}),
            ):
                yield aws
        finally:
            way.shutdown()
            way.server_close()


def agent(lab: Lab, clients: dict[str, str], folder: Path, port: int) -> Callable[[str, str], tuple[int, str]]:
    """SSM's agent of each instance: a script by sh, as in a namespace of a client, and with the agent's environment."""

    def carried_out(instance: str, script: str) -> tuple[int, str]:
        path = folder / f"{instance}.sh"
        path.write_text(script, encoding="utf-8")
        given = {
            "PATH": os.environ["PATH"],
            "XDG_CACHE_HOME": str(folder / instance),
            "AWS_SSM_INSTANCE_ID": instance,
            "AWS_SSM_REGION_NAME": REGION,
        }
        assigned = [f"{key}={value}" for key, value in given.items()]
        way = [sys.executable, "-m", "tests.fleet.offline.way", str(port), str(folder / "s3")]
        command = [*lab.command_prefix(clients[instance]), "env", "-i", *assigned, *way, "sh", str(path)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_SCRIPT_S, stdin=subprocess.DEVNULL
        )
        print(f"{instance}: exit status {done.returncode}: {(done.stdout + done.stderr).strip()}")
        return done.returncode, f"{done.stdout}\n----------ERROR-------\n{done.stderr}"

    return carried_out


def by_fleet(intended: Topology, aws: FleetSsm, run_dir: Path) -> tuple[int, ResultDocument]:
    """The command itself."""
    target = run_dir.with_suffix(".yaml")
    target.write_text(dumps(intended), encoding="utf-8")
    words = ["fleet", "run", str(target), "--engine", "ssm", "--region", REGION, "--bucket", BUCKET]
    words += ["--python", sys.executable, "--run-dir", str(run_dir)]
    began = time.monotonic()
    result = CliRunner().invoke(brokerproof, words)
    print(result.output)
    print(f"{len(aws.commands)} commands by now, {time.monotonic() - began:.1f} s")
    return result.exit_code, decode_document((run_dir / "result.json").read_bytes())


def checks(document: ResultDocument) -> set[str]:
    """Every check's verdict, by client."""
    return {
        f"{client.view.client} {check.check_id} {check.verdict}"
        for client in document.clients
        for check in client.checks
    }


def figures(results: list[ItemResult]) -> dict[str, list[int]]:
    """From the work to the object's last line, in ms."""
    return {"took_ms": sorted(each.took_ms for each in results)}


def _is_result(key: str) -> bool:
    return "/runs/" in key and "/_" not in key
