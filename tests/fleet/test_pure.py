"""Pace, definition, policies and bundle of a fleet: values from values."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from brokerproof.fleet.bundle import MACHINES, function_bundle, function_files
from brokerproof.fleet.calls import CALLS, Who
from brokerproof.fleet.hub import MachineHub
from brokerproof.fleet.machine import calls_in, definition
from brokerproof.fleet.pace import pace_of
from brokerproof.fleet.policies import policy_of
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages import bundle
from brokerproof.vantages.bundle import FarPlatform, Files
from tests.fleet.aws import BUCKET, MACHINE

PLAIN = PATTERNS["peering"].build()
HUB = MachineHub(MACHINE, BUCKET, "p")


def iam(topology: Topology) -> Topology:
    clients = tuple(c.model_copy(update={"authentication": AuthenticationScheme.IAM}) for c in topology.clients)
    return topology.model_copy(update={"clients": clients})


def test_how_many_at_a_time_follows_from_what_a_broker_takes() -> None:
    assert pace_of(iam(PLAIN)).at_once == 5
    assert pace_of(iam(PLAIN), connections_per_s=4).at_once == 1
    assert pace_of(PLAIN).at_once == 20
    assert pace_of(PLAIN, at_once=300).at_once == 300
    assert "100 new connections a second" in pace_of(iam(PLAIN)).because


def test_the_definitions_calls_are_those_declared() -> None:
    assert calls_in(definition()) == {
        (call.service, call.operation) for call in CALLS if call.who in {Who.STATE_MACHINE, Who.INVOKER}
    }


def test_only_what_did_not_start_is_asked_again() -> None:
    probe = definition()["States"]["Clients"]["ItemProcessor"]["States"]["Probe"]
    again = {name for retry in probe["Retry"] for name in retry["ErrorEquals"]}
    assert not again & {
        "States.ALL",
        "States.TaskFailed",
        "States.Timeout",
        "Lambda.ServiceException",
        "Lambda.Unknown",
    }


def test_a_clients_function_may_read_its_plan_and_write_its_objects_alone() -> None:
    policy = policy_of(Who.FUNCTION, HUB, "app")
    assert policy["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::{BUCKET}/p/*/plans/app.json"},
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": f"arn:aws:s3:::{BUCKET}/p/*/runs/*/app.json"},
    ]


@pytest.mark.parametrize("who", [who for who in Who if who not in {Who.SENDER, Who.COMMANDER, Who.INSTANCE}])
def test_no_policy_allows_everything(who: Who) -> None:
    for statement in policy_of(who, HUB, "app")["Statement"]:
        resources = statement["Resource"]
        assert "*" not in (resources if isinstance(resources, list) else [resources])
        assert not any("*" in action for action in statement["Action"])


def test_what_travels_with_the_probe_imports_nothing_that_does_not(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        for name, path in function_files():
            archive.write(path, name)
    with zipfile.ZipFile(tmp_path / "own.zip") as archive:
        archive.extractall(tmp_path / "task")
    import brokerproof  # noqa: PLC0415

    root = Path(brokerproof.__file__).parent
    (tmp_path / "task/brokerproof/__init__.py").write_bytes((root / "__init__.py").read_bytes())
    (tmp_path / "task/brokerproof/probes").symlink_to((root / "probes").resolve())
    code = "import brokerproof.fleet.far.handler, brokerproof; print(brokerproof.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "task")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout


@pytest.mark.slow
def test_the_zip_has_all_that_its_start_needs(tmp_path: Path) -> None:
    platform = bundle.this_platform()
    if platform.machine not in MACHINES.values():
        pytest.skip("no machine of Lambda's")
    [architecture] = [name for name, machine in MACHINES.items() if machine == platform.machine]
    with zipfile.ZipFile(function_bundle(architecture, platform.python).path) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-S", "-c", "from brokerproof.fleet.far import entry; print(entry.handle.__name__)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "handle\n", done.stderr[-500:]


def test_a_functions_zip_is_made_anew_where_what_travels_with_the_probe_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(folder: Path, _far: FarPlatform, besides: Files) -> Path:
        (folder / "bundle.zip").write_bytes(b"".join(path.read_bytes() for _, path in besides))
        return folder / "bundle.zip"

    monkeypatch.setattr(bundle, "_make", made)
    contents = []
    for text in ("one", "two"):
        (tmp_path / text).write_text(text)
        besides = (("handler.py", tmp_path / text),)
        found = bundle.bundle_for(bundle.this_platform(), besides=besides, environ={"XDG_CACHE_HOME": str(tmp_path)})
        contents.append(found.read())
    assert contents == [b"one", b"two"]
