"""The OCI image of the probe: made twice it is the same, it runs alone, and in podman and Docker it is a far side."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.probes.outcome import Stage
from brokerproof.probes.plan import encode_plan
from brokerproof.reports.document import decode_document
from brokerproof.topology.models import ClientVantage
from brokerproof.vantages.container import ContainerVantage
from brokerproof.vantages.exec import Patience
from tests.installed.oci_layout import unpacked
from tests.vantages.docker import docker_with
from tests.vantages.podman import containers, needs_podman, podman_with
from tests.vantages.test_exec import eventually
from tests.vantages.test_real_probe import ROOT, connects, plan
from tools.image import PYTHON, ImageError, Of, make, tool_entries
from tools.oci import MACHINES, Entry, Layout

pytestmark = [
    pytest.mark.installed,
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs Debian's dpkg and apt"),
    pytest.mark.skipif(f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON, reason=f"needs Python {PYTHON}"),
]
CACHE = Path.home() / ".cache" / "brokerproof" / "debs"
MACHINE = os.uname().machine
PATIENCE = Patience(first_line_ms=60_000, grace_ms=1000, terminate_ms=2000)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image") / "probe"
    try:
        make(folder, cache=CACHE, machine=MACHINE, at_once=True)
    except ImageError as error:
        pytest.skip(str(error))
    return folder


def blobs(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs" / "sha256").iterdir()}


def test_made_twice_it_is_the_same(layout: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", cache=CACHE, machine=MACHINE, at_once=True)
    assert blobs(tmp_path / "again") == blobs(layout)
    assert (tmp_path / "again" / "index.json").read_bytes() == (layout / "index.json").read_bytes()


def test_what_is_unpacked_at_once_is_the_same_and_larger(tmp_path: Path) -> None:
    text = "".join(f"{number} is {number * number}\n" for number in range(5000)).encode()
    quick, usual = Layout(tmp_path / "quick", effort=1), Layout(tmp_path / "usual")
    for layout in (quick, usual):
        layout.add_layer({"numbers": Entry(data=text)})
    assert quick.diff_ids == usual.diff_ids
    assert quick.layers[0]["size"] > usual.layers[0]["size"]


def test_a_folder_that_holds_something_is_left_alone(layout: Path) -> None:
    with pytest.raises(ImageError, match="is not empty"):
        make(layout, cache=CACHE, machine=MACHINE)


def run_in(root: Path, *arguments: str, of: Of, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The image's own command with its root for a root, in a network without anybody but loopback."""
    apart = ("unshare", "--user", "--map-root-user", "--net", "--mount")
    if subprocess.run([*apart, "chroot", "/", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody change the root")
    (root / "dev").mkdir(exist_ok=True)
    for device in ("null", "urandom"):
        (root / "dev" / device).touch()  # as every container engine has them
    devices = " && ".join(f'mount --bind /dev/{device} "$0/dev/{device}"' for device in ("null", "urandom"))
    script = f'ip link set lo up && {devices} && cd "$0/tmp" && exec chroot "$0" "$@"'
    command = [*apart, "sh", "-c", script, str(root), *of.entry_point, *arguments]
    variables = {"PYTHONPATH": "/opt/brokerproof", "PATH": "/usr/bin:/usr/sbin", "HOME": "/tmp", "LANG": "C.UTF-8"}
    return subprocess.run(command, input=stdin, capture_output=True, env=variables, check=False)


def test_it_runs_a_plan_by_itself(layout: Path, tmp_path: Path) -> None:
    root = unpacked(layout, tmp_path / "root")
    ran = run_in(root, of=Of.PROBE, stdin=encode_plan(plan(1)))
    assert ran.stdout, ran.stderr[-500:]
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert lines[0]["type"] == "started", ran.stderr[-500:]
    assert lines[-1]["type"] == "closing"


def test_the_tools_own_image_verifies_a_cluster(tmp_path: Path) -> None:
    try:
        make(tmp_path / "tool", cache=CACHE, machine=MACHINE, of=Of.TOOL, at_once=True)
    except ImageError as error:
        pytest.skip(str(error))
    root = unpacked(tmp_path / "tool", tmp_path / "root")
    assert run_in(root, "--version", of=Of.TOOL).returncode == 0
    nobody = run_in(root, "verify", "127.0.0.1:9", "--plaintext", "--run-dir", "/tmp/run", of=Of.TOOL)
    assert nobody.returncode == 1, nobody.stderr[-500:]
    document = decode_document((root / "tmp" / "run" / "result.json").read_bytes())
    assert [found.stage for each in document.diagnoses for found in each.diagnosis.findings] == [Stage.CONNECT], (
        nobody.stdout[-500:]
    )
    for command in ("canary", "discover", "audit", "fleet"):
        assert run_in(root, command, "--help", of=Of.TOOL).returncode == 0
    assert all((root / name).read_bytes() == entry.data for name, entry in tool_entries().items())


def test_the_tools_own_image_is_of_this_machine(tmp_path: Path) -> None:
    other = next(machine for machine in MACHINES if machine != MACHINE)
    with pytest.raises(ImageError, match=f"make it on {other}"):
        make(tmp_path / "tool", cache=CACHE, machine=other, of=Of.TOOL)


Engine = tuple[str, str]
"""A program, and what the image is called in it."""


@pytest.fixture(scope="module", params=[pytest.param("podman", marks=needs_podman), "docker"])
def engine(request: pytest.FixtureRequest, layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path_factory.mktemp("e")
    opened = podman_with(folder, layout) if request.param == "podman" else docker_with(folder, layout, CACHE)
    with opened as image:
        yield request.param, image


def far_side(engine: Engine, **more: str) -> ClientVantage:
    program, image = engine
    return ClientVantage.model_validate({"kind": program, "image": image, "network": "none", **more})


@pytest.mark.parametrize("mode", ["present", "install"])
def test_a_container_of_its_own_answers_and_is_gone(engine: Engine, mode: str) -> None:
    settings = far_side(engine, probe=mode)
    with ContainerVantage("app", settings, patience=PATIENCE) as vantage:
        runs = [vantage.run(plan(1, plan_id)) for plan_id in ("one", "two")]
        assert len(containers(engine[0])) == 1
    assert [run.error for run in runs] == ["", ""], runs[0].said
    assert [status for status, _ in connects(runs[0].outcomes)] == ["failed"]
    assert containers(engine[0]) == []


def test_an_image_that_is_not_there_is_an_error(engine: Engine) -> None:
    settings = far_side(engine, image="localhost:1/nobody/has-it:1")
    with ContainerVantage("app", settings, patience=PATIENCE) as vantage:
        run = vantage.run(plan(1))
    assert "no container of localhost:1/nobody/has-it:1: " in run.error
    assert not run.outcomes


def test_a_container_ends_by_itself_after_a_kill(engine: Engine) -> None:
    script = (
        "import sys\n"
        "from brokerproof.topology.models import ClientVantage\n"
        "from brokerproof.vantages import container, own_far_side\n"
        "from brokerproof.vantages.registry import open_vantage\n"
        "from tests.vantages.test_real_probe import plan\n"
        "container.KEEPS = own_far_side.KEEPS.replace('left = 60', 'left = 4')\n"
        "settings = ClientVantage.model_validate_json(sys.argv[1])\n"
        "vantage = open_vantage(settings.kind, 'app', settings)\n"
        "print(vantage.run(plan(1)).error or 'ran', flush=True)\n"
        "sys.stdin.read()\n"
    )
    settings = far_side(engine, probe="present")
    with subprocess.Popen(
        [sys.executable, "-c", script, settings.model_dump_json()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "ran\n"
        assert len(containers(engine[0])) == 1
        owner.send_signal(signal.SIGKILL)
    assert eventually(lambda: _none_runs(engine[0]), 120)


def _none_runs(program: str) -> bool:
    """Asked once a second: podman holds its storage meanwhile."""
    time.sleep(1)
    return containers(program, running=True) == []
