"""The real Docker: Debian's packages, unpacked and not installed, with namespaces and a storage of their own."""

from __future__ import annotations

import gzip
import io
import json
import os
import secrets
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.installed.oci_layout import blob, configuration, manifest
from tools.image import ImageError, debs

_PACKAGES: Final = ("containerd", "docker.io", "runc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_STARTS_S: Final = 120.0
_APART: Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
"""What the daemon does to a network, mounts and runs is its own, and ends with it."""
_TAG: Final = "probe:of-a-test"


@contextmanager
def docker_with(folder: Path, layout: Path, cache: Path) -> Iterator[str]:
    """``docker`` on PATH, and the name of the image of an OCI layout in it.

    A test that asks for it is skipped where Docker cannot be had, or cannot run.
    """
    programs = _programs(folder / "docker", cache)
    group = f"/brokerproof-{secrets.token_hex(5)}"
    socket = folder / "docker.sock"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join((*map(str, programs), os.environ["PATH"])))
        patch.setenv("DOCKER_HOST", f"unix://{socket}")
        patch.setenv("DOCKER_CONFIG", str(folder))
        with _daemon(folder, socket, group):
            loaded = subprocess.run(["docker", "load"], input=_archive(layout), capture_output=True, check=False)
            assert loaded.returncode == 0, loaded.stderr
            yield _TAG


def _programs(folder: Path, cache: Path) -> tuple[Path, ...]:
    machine = os.uname().machine
    try:
        packages = debs(cache / machine, machine, _PACKAGES)
    except ImageError as error:
        pytest.skip(f"Docker cannot be had: {error}")
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return (folder / "usr" / "sbin", folder / "usr" / "bin")


@contextmanager
def _daemon(folder: Path, socket: Path, group: str) -> Iterator[None]:
    places = (f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}", f"--pidfile={folder / 'pid'}")
    alone = ("--iptables=false", "--ip6tables=false", "--ip-masq=false", "--bridge=none", f"--cgroup-parent={group}")
    log = folder / "docker.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*_APART, "dockerd", *places, *alone, f"--host=unix://{socket}"], stdout=out, stderr=out
        ) as daemon,
    ):
        try:
            if not _answers(daemon):
                said = log.read_text(errors="replace").strip().splitlines()[-1:]
                pytest.skip(f"dockerd does not run here: {''.join(said)[-300:]}")
            yield
        finally:
            _end(daemon)
            _remove_groups(group)
            for part in ("data", "docker"):
                shutil.rmtree(folder / part, ignore_errors=True)


def _answers(daemon: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + _STARTS_S
    while time.monotonic() < until and daemon.poll() is None:
        if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.2)
    return False


def _end(daemon: subprocess.Popen[bytes]) -> None:
    listed = subprocess.run(["docker", "ps", "--all", "--quiet"], capture_output=True, text=True, check=False)
    if listed.stdout.split():
        subprocess.run(["docker", "rm", "--force", *listed.stdout.split()], capture_output=True, check=False)
    daemon.send_signal(signal.SIGKILL)  # of unshare: all in its process namespace ends
    daemon.wait()


def _remove_groups(group: str) -> None:
    for place in (*_CGROUPS.glob(f"*{group}"), Path(f"{_CGROUPS}{group}")):
        for inner in (*place.glob("*/"), place):
            with suppress(OSError):
                inner.rmdir()


def _archive(layout: Path) -> bytes:
    """The image as ``docker load`` of versions before 25 reads one (``manifest.json`` of ``docker save``)."""

    layers = {each["digest"][7:19]: blob(layout, each["digest"]).read_bytes() for each in manifest(layout)["layers"]}
    said = [{"Config": "config.json", "RepoTags": [_TAG], "Layers": [f"{name}.tar" for name in layers]}]
    files = {f"{name}.tar": gzip.decompress(data) for name, data in layers.items()}
    files |= {"config.json": json.dumps(configuration(layout)).encode(), "manifest.json": json.dumps(said).encode()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
