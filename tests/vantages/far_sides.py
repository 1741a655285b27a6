"""For each kind of vantage a far side, whatever this machine has: what the contract of all is tested on."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest

from brokerproof.topology.models import ClientVantage, VantageKind
from tests.vantages import container_stand_in
from tests.vantages.kube_api import kube_api
from tests.vantages.sshd import SshHost, needs_sshd, separation

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")

Opened = Callable[..., ClientVantage]
"""Settings of a vantage there, with more said of it."""


@contextmanager
def by_command(folder: Path) -> Iterator[Opened]:
    """Behind a command prefix: a bare environment on this host."""
    prefix = ("env", "-i", f"HOME={folder}", f"PATH={os.environ['PATH']}")
    yield lambda **more: settings({"kind": VantageKind.EXEC, "command": prefix, **more})


@contextmanager
def by_ssh(folder: Path) -> Iterator[Opened]:
    """Debian's own sshd."""
    with separation():
        host = SshHost(folder)
        yield lambda **more: host.vantage(user=getpass.getuser(), **more)


@contextmanager
def by_kubernetes(folder: Path) -> Iterator[Opened]:
    """The real kubectl, and a stand-in for the API."""
    with pytest.MonkeyPatch.context() as patch, kube_api(folder) as (_, config):
        patch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))
        patch.setenv("HOME", str(folder))  # where kubectl keeps what it learns of an API
        yield lambda **more: settings(
            {"kind": VantageKind.KUBERNETES, "config_file": str(config), "image": "python", **more}
        )


def by_container(kind: VantageKind) -> Callable[[Path], AbstractContextManager[Opened]]:
    """A stand-in for the program."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Opened]:
        state, programs = folder / "containers", folder / "bin"
        state.mkdir()
        programs.mkdir()
        program = programs / kind
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {container_stand_in.__file__} "$@"\n')
        program.chmod(0o755)
        (state / "app").write_text(json.dumps({"words": [], "pids": []}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
            patch.setenv("STAND_IN", str(state))
            yield lambda **more: settings({"kind": kind, "image": "python", **more})

    return opened


def settings(said: dict[str, object]) -> ClientVantage:
    """A vantage with this Python, that puts the probe there."""
    return ClientVantage.model_validate({"python": sys.executable, "probe": "install", **said})


FAR_SIDES: Final = {
    "docker": by_container(VantageKind.DOCKER),
    "exec": by_command,
    "kubernetes": by_kubernetes,
    "podman": by_container(VantageKind.PODMAN),
    "ssh": by_ssh,
}
"""By kind; ``local`` is this process's own host and has nothing to be put to."""
KINDS: Final = [
    pytest.param(kind, marks={"ssh": [needs_sshd], "kubernetes": [needs_kubectl]}.get(kind, [])) for kind in FAR_SIDES
]
