"""Which Debian packages this machine lacks, and how they get there: root, sudo, or a person."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brokerproof.lab.life import preflight
from tools.provision.step import Runner, SetupError, say

_INSTALL: Final = Path(__file__).with_name("install.sh")
_COMMANDS: Final = {
    "ps": "procps",
    "dig": "bind9-dnsutils",
    "openssl": "openssl",
    "dot": "graphviz",
}
_BENCH_COMMANDS: Final = {
    "kcat": "kcat",
    "iperf3": "iperf3",
    "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
}
_TEST_COMMANDS: Final = {"promtool": "prometheus", "amtool": "prometheus-alertmanager", "sshd": "openssh-server"}
"""The first two judge the alert rules and routes that are shipped; the vantage ``ssh`` is tried with the last. Services
are neither started nor left switched on."""
_BROWSER_COMMANDS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Any of these shows reports to the tests; Debian has the first."""
BROWSER_VARIABLE: Final = "BROKERPROOF_CHROMIUM"
_OF_THE_DRIVER: Final = "libatomic.so.1"
"""Playwright's own Node.js needs it, and brings it not."""
_LIBRARIES: Final = (Path("/lib"), Path("/usr/lib"))
_OS_RELEASE: Final = Path("/etc/os-release")


@dataclass(frozen=True)
class Missing:
    """One thing that is not on this machine, and the package that has it."""

    what: str
    package: str


def browser(environ: Mapping[str, str]) -> str | None:
    """The Chromium that tests open reports in: the one that is named, or the first that is found."""
    named = environ.get(BROWSER_VARIABLE)
    found = (preflight.find_tool(command, environ) for command in _BROWSER_COMMANDS)
    return named or next((str(tool) for tool in found if tool is not None), None)


def missing(
    environ: Mapping[str, str], *, maven: bool, venv: bool, bench: bool, test: bool = False
) -> tuple[Missing, ...]:
    """What has to be installed.

    Args:
        environ: for ``PATH`` and ``JAVA_HOME``.
        maven: whether Kafka is still to be fetched.
        venv: whether ``.venv`` is still to be made.
        bench: whether the benchmarks' tools are wanted too.
        test: whether what only the tests use is wanted too.

    Raises:
        SetupError: something is missing that no Debian package gives.
    """
    found = [
        Missing(problem.looked_for.partition(",")[0], problem.package)
        for problem in preflight.check(environ)
        if problem.package
    ]
    commands = _COMMANDS | (_BENCH_COMMANDS if bench else {}) | (_TEST_COMMANDS if test else {})
    commands |= {"mvn": "maven"} if maven else {}
    found += [
        Missing(command, package)
        for command, package in commands.items()
        if preflight.find_tool(command, environ) is None
    ]
    if test and browser(environ) is None and not _is_ubuntu():
        found.append(Missing("a Chromium", "chromium"))
    if test and _library(_OF_THE_DRIVER) is None:
        found.append(Missing(_OF_THE_DRIVER, "libatomic1"))
    importlib.invalidate_caches()  # it may have been installed a moment ago
    if venv and importlib.util.find_spec("ensurepip") is None:
        found.append(Missing("Python's venv and pip", _venv_package(Path(sys.executable).resolve())))
    return tuple(found)


def _library(name: str) -> Path | None:
    """Where the dynamic linker finds it on a Debian of any architecture."""
    return next((path for folder in _LIBRARIES for path in folder.glob(f"*/{name}")), None)


def _is_ubuntu() -> bool:
    """Ubuntu's package of Chromium is a snap, which apt-get cannot install where no snap daemon runs."""
    try:
        return "ID=ubuntu" in _OS_RELEASE.read_text("utf-8").splitlines()
    except OSError:
        return False


def _venv_package(python: Path) -> str:
    # Debian keeps ensurepip apart from its own Pythons; nobody else does.
    if python.parent != Path("/usr/bin"):
        raise SetupError(
            f"{python} has no ensurepip, so no virtual environment can be made with it. "
            "Name another Python: make setup PYTHON=/path/to/python3"
        )
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def install(things: Sequence[Missing], runner: Runner) -> None:
    """Install what is missing, or report exactly what a person has to install.

    Raises:
        SetupError: this user may not install packages, or apt-get failed.
    """
    packages = sorted({thing.package for thing in things})
    prefix = _as_root(runner.environ)
    if prefix is None:
        raise SetupError(_asking_for(things, packages, runner.environ))
    runner.run(
        f"installing Debian packages: {' '.join(packages)}",
        [*prefix, "sh", _INSTALL, *packages],
        as_root=True,
    )


def _as_root(environ: Mapping[str, str]) -> list[str] | None:
    """The words before a command that runs as root; None where that, or apt-get, is not to be had."""
    path = environ.get("PATH")
    if shutil.which("apt-get", path=path) is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo", path=path)
    if sudo is None:
        return None
    if subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    if sys.stdin.isatty():
        say("packages are missing; sudo asks for your password to install them")
        if subprocess.run([sudo, "-v"], check=False).returncode == 0:
            return [sudo, "-n"]
    return None


def _asking_for(things: Sequence[Missing], packages: Sequence[str], environ: Mapping[str, str]) -> str:
    names = ", ".join(thing.what for thing in things)
    if shutil.which("apt-get", path=environ.get("PATH")) is None:
        return (
            f"missing: {names}. There is no apt-get here; install them with this machine's own package "
            f"manager (Debian calls the packages {' '.join(packages)}), then run this again."
        )
    lines = [
        f"missing: {names}. This user may install nothing (not root, no sudo without a password).",
        "Have root run this, then run this again:",
        "",
        f"    apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}",
    ]
    if "unbound" in packages:
        lines += [
            "",
            "Only unbound's program is needed; its service, which the package starts, can be switched off:",
            "",
            "    systemctl disable --now unbound",
        ]
    return "\n".join(lines)
