"""The real podman, with a storage of its own; None of a machine's settings, and nothing left of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PODMAN = shutil.which("podman")
needs_podman = pytest.mark.skipif(PODMAN is None or os.geteuid() != 0, reason="needs podman, as root")
_SETTINGS = """\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:4096", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
"""
_PROGRAM = """\
#!/bin/sh
exec unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec {podman} "$@"' sh "$@"
"""
"""Where cgroups of both versions are mounted, crun refuses all of them; it is shown none."""


@contextmanager
def podman_with(folder: Path, layout: Path) -> Iterator[str]:
    """``podman`` on PATH, and the id of the image of an OCI layout in it."""
    (folder / "containers.conf").write_text(_SETTINGS)
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "storage"}"\nrunroot = "{folder / "run"}"\n'
    )
    program = folder / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(_PROGRAM.format(podman=PODMAN))
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        try:
            pulled = subprocess.run(
                ["podman", "pull", "--quiet", f"oci:{layout}:probe"], capture_output=True, text=True, check=True
            )
            yield pulled.stdout.split()[-1]
        finally:
            subprocess.run(["podman", "rm", "--all", "--force"], capture_output=True, check=False)
            subprocess.run(["podman", "rmi", "--all", "--force"], capture_output=True, check=False)


def containers(program: str, *, running: bool = False) -> list[str]:
    """Those of podman or Docker, running or not; or those that run."""
    which = [] if running else ["--all"]
    listed = subprocess.run([program, "ps", *which, "--quiet"], capture_output=True, text=True, check=True)
    return listed.stdout.split()
